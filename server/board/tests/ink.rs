//! The committed shapes of ink are current; the page's twin is held to the same file.

#[allow(missing_docs, unreachable_pub)]
#[path = "../examples/ink.rs"]
mod generator;

#[test]
fn the_committed_file_is_current() {
    let committed = include_str!("../ink.json");
    assert!(committed == generator::document(), "ink.json is stale: run `cargo xtask vectors` and read its diff");
}
