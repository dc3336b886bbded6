//! Nothing that was drawn is lost, and nothing is there twice, whatever breaks. `cargo xtask chaos` does it for longer.

use inkwire_tests::chaos::{self, Survived, Trial};
use inkwire_tests::dice::seed;
use inkwire_tests::turned;

#[test]
fn fifty_kills_lose_nothing_and_double_nothing() {
    let survived = in_a_folder(chaos::kills, 50);
    assert_eq!(survived.faults, 50);
}

#[test]
fn of_two_hundred_bits_that_turn_none_takes_anything_durable_without_a_report() {
    let survived = in_a_folder(turned::turned, 200);
    assert_eq!(survived.faults, 200);
}

#[test]
fn two_hundred_cuts_of_the_network_lose_nothing_and_double_nothing() {
    let survived = in_a_folder(chaos::cuts, 200);
    assert!(survived.faults >= 200);
}

fn in_a_folder(run: fn(&str, Trial) -> Survived, faults: u64) -> Survived {
    Trial { seed: seed(), faults, people: 10 }.survive(|trial| {
        let data = tempfile::tempdir().unwrap();
        run(data.path().to_str().unwrap(), trial)
    })
}
