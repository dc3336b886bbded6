//! The files of the page that are written from this crate are current.

#[path = "../examples/limits.rs"]
mod limits;
#[path = "../examples/names.rs"]
mod names;

#[test]
fn the_limits_of_the_page_are_current() {
    let committed = include_str!("../../../static/js/protocol/limits.js");
    assert!(committed == limits::document(), "limits.js is stale: run `cargo xtask vectors` and read its diff");
}

#[test]
fn the_names_of_the_page_are_current() {
    let committed = include_str!("../../../static/js/protocol/names.js");
    assert!(committed == names::document(), "names.js is stale: run `cargo xtask vectors` and read its diff");
}
