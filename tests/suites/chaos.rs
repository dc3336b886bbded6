//! Nothing that was drawn is lost, and nothing is there twice, whatever breaks. `cargo xtask chaos` does it for longer.

use inkwire_tests::chaos;
use inkwire_tests::dice::seed;

#[test]
fn fifty_kills_lose_nothing_and_double_nothing() {
    let data = tempfile::tempdir().unwrap();
    let survived = chaos::kills(data.path().to_str().unwrap(), seed(), 50, 10);
    println!("{survived:?}");
}

#[test]
fn two_hundred_cuts_of_the_network_lose_nothing_and_double_nothing() {
    let data = tempfile::tempdir().unwrap();
    let survived = chaos::cuts(data.path().to_str().unwrap(), seed(), 200, 10);
    assert!(survived.faults >= 200);
    println!("{survived:?}");
}
