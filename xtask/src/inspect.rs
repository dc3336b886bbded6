//! `cargo xtask inspect`: `wsinspect`, built as it is shipped; without arguments a conversation with the local drawing server.

use crate::process::{cargo, check};

/// What a member of a board on the usual address is asked to be: its messages are JSON, which people can type.
const LOCAL: [&str; 4] = ["connect", "ws://127.0.0.1:8081/ws/lobby", "--subprotocol", "inkwire.v1.json"];

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Flags {
    /// What `wsinspect` is to do, such as `proxy 127.0.0.1:9000 127.0.0.1:8081`, or `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let mut run = cargo(&["run", "--quiet", "--release", "--package", "wsinspect", "--"]);
    check(if flags.arguments.is_empty() { run.args(LOCAL) } else { run.args(&flags.arguments) })
}
