//! The committed session is current; the page's board (`static/js/board/`) replays the same file.

#[allow(missing_docs, unreachable_pub)]
#[path = "../examples/replay.rs"]
mod generator;

#[test]
fn the_committed_session_is_current() {
    let committed = include_str!("../replay.json");
    assert!(committed == generator::document(), "replay.json is stale: run `cargo xtask vectors` and read its diff");
}
