//! `cargo xtask bench`: load on a release build, on loopback, bounded in time.

use crate::process::{cargo, check};
use crate::setup::install_npm_packages;

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// What is passed on to the load generator, such as `fanout room --rounds 3`, or `page 10000` for the page in the real browser;
    /// `fanout` where nothing is said.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let build = [
        "build",
        "--release",
        "--package",
        "inkwire",
        "--package",
        "wsinspect",
        "--package",
        "inkwire-tests",
        "--bins",
    ];
    check(&mut cargo(&build))?;
    check(&mut cargo(&["build", "--release", "--package", "inkwire", "--examples"]))?;
    let what = flags.arguments.first().map_or("fanout", String::as_str);
    if matches!(what, "echo" | "fanout") {
        check(cargo(&["build", "--release"]).current_dir("tests/peers"))?;
        install_npm_packages("tests/peers")?;
    }
    if what == "inspect" {
        check(&mut cargo(&[
            "install",
            "--quiet",
            "websocat",
            "--version",
            "1.14.1",
            "--locked",
            "--root",
            "target/peers",
        ]))?;
    }
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or("target".into());
    if what == "page" {
        let binary = std::fs::canonicalize(&target)?.join("release/inkwire");
        let mut node = std::process::Command::new("node");
        node.arg("browser/bench.mjs").args(&flags.arguments[1..]).current_dir("tests").env("INKWIRE_BIN", binary);
        return check(&mut node);
    }
    let mut load = std::process::Command::new(format!("{target}/release/load"));
    let arguments = if flags.arguments.is_empty() { &["fanout".to_owned()][..] } else { &flags.arguments };
    check(load.args(arguments).env("INKWIRE_BIN", format!("{target}/release/inkwire")))
}
