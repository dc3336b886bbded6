//! Prints `static/js/protocol/limits.js`: the name of the protocol, and the limits that the page needs.
//!
//! `cargo xtask vectors` writes the file; `tests/generated.rs` fails when it is stale.

use std::fmt::Write;

use inkwire_protocol::{SUBPROTOCOL_BINARY, limits};

#[allow(dead_code, reason = "the test that includes this file calls `document` alone")]
fn main() {
    print!("{}", document());
}

/// A row for each limit, by its name.
macro_rules! rows {
    ($($name:ident)+) => { [$((stringify!($name), limits::$name as i64)),+] };
}

/// The whole file, as committed.
pub(crate) fn document() -> String {
    let mut out = format!(
        "// The name of the protocol, and its limits (server/protocol/src/limits.rs). Written by `cargo xtask vectors`.\n\n\
         export const SUBPROTOCOL = \"{SUBPROTOCOL_BINARY}\";\n\n"
    );
    for (name, limit) in rows! {
        CLIENT_PACKET CLIENT_MESSAGES CSEQ OPERATIONS POINTS STROKE_POINTS DELETIONS LIVE_SLOTS COORDINATE WIDTH SCALE_MIN
        SCALE_MAX MATRIX MATRIX_ONE RANK RANKS_BETWEEN IMAGE_BYTES IMAGE_SIDE IMAGE_PART TEXT AUTHORS NAME PASSWORD SECONDS
        REASON_TEXT PRESSURE AUTHOR BOARD_ELEMENTS UNDO_DEPTH
    } {
        writeln!(out, "export const {name} = {};", grouped(limit)).expect("a string takes all");
    }
    out
}

/// A number with an underscore between each three digits.
fn grouped(number: i64) -> String {
    let digits = number.abs().to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join("_"))
}
