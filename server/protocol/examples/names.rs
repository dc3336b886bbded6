//! Prints `static/js/protocol/names.js`: the values of the protocol's enumerations, in the order of their numbers on the wire.
//!
//! `cargo xtask vectors` writes the file; `tests/generated.rs` fails when it is stale.

use std::fmt::Write;

use inkwire_protocol::{Dash, ImageState, Reaction, Reason, RejectReason, Role, ShapeKind, StorageState, Tool};
use serde::Serialize;

#[allow(dead_code, reason = "the test that includes this file calls `document` alone")]
fn main() {
    print!("{}", document());
}

/// The whole file, as committed.
pub(crate) fn document() -> String {
    let mut out = "// The enumerations of the protocol, each value at its number on the wire. Written by `cargo xtask vectors`.\n".to_owned();
    for (name, values) in [
        ("TOOLS", names(&Tool::ALL)),
        ("SHAPES", names(&ShapeKind::ALL)),
        ("DASHES", names(&Dash::ALL)),
        ("ROLES", names(Role::ALL)),
        ("REACTIONS", names(Reaction::ALL)),
        ("REJECT_REASONS", names(RejectReason::ALL)),
        ("REASONS", names(Reason::ALL)),
        ("IMAGE_STATES", names(ImageState::ALL)),
        ("STORAGE_STATES", names(StorageState::ALL)),
    ] {
        let rows: String = values.iter().map(|value| format!("  \"{value}\",\n")).collect();
        writeln!(out, "\nexport const {name} = [\n{rows}];").expect("a string takes all");
    }
    out
}

fn names<T: Serialize>(all: &[T]) -> Vec<String> {
    all.iter().map(|value| serde_json::to_value(value).expect("a name").as_str().expect("a name").to_owned()).collect()
}
