//! `cargo xtask fuzz`: random packets for the decoder, by cargo-fuzz on a nightly toolchain, bounded in time.

use std::process::Command;

use anyhow::bail;

use crate::process::{check, is_on_path};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// How long, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    if !is_on_path("cargo-fuzz") {
        bail!("cargo-fuzz is missing; type: cargo install cargo-fuzz --locked");
    }
    let time = format!("-max_total_time={}", flags.seconds);
    check(
        Command::new("cargo")
            .args(["+nightly", "fuzz", "run", "packets", "--", &time, "-max_len=4096"])
            .current_dir("server/protocol"),
    )
}
