//! `cargo xtask vectors`: writes the committed files that examples make: vectors, and the page's limits and names.

use crate::process::{cargo, output};

pub(crate) fn run() -> anyhow::Result<()> {
    for (package, example, path) in [
        ("inkwire-protocol", "vectors", "server/protocol/vectors.json"),
        ("inkwire-protocol", "limits", "static/js/protocol/limits.js"),
        ("inkwire-protocol", "names", "static/js/protocol/names.js"),
        ("inkwire-board", "replay", "server/board/replay.json"),
        ("inkwire-board", "ink", "server/board/ink.json"),
    ] {
        let made = output(&mut cargo(&["run", "--quiet", "--package", package, "--example", example]))?;
        let is_current = std::fs::read_to_string(path).is_ok_and(|committed| committed == made);
        if !is_current {
            std::fs::write(path, made)?;
        }
        println!("vectors: {path} {}", if is_current { "is current" } else { "is new: read its diff" });
    }
    Ok(())
}
