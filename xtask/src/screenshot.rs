//! `cargo xtask screenshot`: takes the README's screenshot from the real page.

use std::process::Command;

use crate::process::{cargo, check};

pub(crate) fn run() -> anyhow::Result<()> {
    check(&mut cargo(&["build", "--package", "inkwire", "--quiet"]))?;
    check(Command::new("node").arg("browser/screenshot.mjs").current_dir("tests"))
}
