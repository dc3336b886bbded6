//! `cargo xtask test`: everything that must pass, in words. A missing tool fails here; alone, `cargo test` skips it.

use std::process::Command;
use std::time::Instant;

use crate::autobahn;
use crate::process::{cargo, check};

pub(crate) fn run() -> anyhow::Result<()> {
    let start = Instant::now();
    step("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    step("lints", &mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]))?;
    step(
        "documentation",
        cargo(&["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"),
    )?;
    step("server", &mut cargo(&["build", "--package", "inkwire", "--quiet"]))?;
    let can_conform = autobahn::python2().is_some();
    let mut tests = cargo(&["test", "--workspace"]);
    tests.env("INKWIRE_REQUIRE_TOOLS", "1").env("INSTA_UPDATE", "no");
    if !can_conform {
        tests.env("INKWIRE_WITHOUT_AUTOBAHN", "1");
    }
    step("tests", &mut tests)?;
    // By cargo: the tests may have built this program anew, and this one's file is gone.
    step("leakcheck's self-test", &mut cargo(&["xtask", "leakcheck", "--self-test"]))?;
    let required = ["--quick", "--require", "growth,memcheck,asan,slope"];
    step("leakcheck", cargo(&["xtask", "leakcheck"]).args(required))?;
    let but = if can_conform { "" } else { ", but conformance was SKIPPED: the Autobahn suite needs a CPython 2.7" };
    println!("test: all passed in {} s{but}", start.elapsed().as_secs());
    Ok(())
}

fn step(name: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("test: {name}");
    let start = Instant::now();
    check(command)?;
    println!("test: {name} passed in {} s", start.elapsed().as_secs());
    Ok(())
}
