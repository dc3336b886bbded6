//! `cargo xtask chaos`: kills the server and cuts its network for as long as one likes, with people who draw through it.

use crate::process::{cargo, check};

#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// For how long, in minutes; about a thousand kills take ten.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// The seed of the first round, to have a failure again.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    check(&mut cargo(&["build", "--release", "--package", "inkwire", "--package", "inkwire-tests", "--bins"]))?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or("target".into());
    let mut load = std::process::Command::new(format!("{target}/release/load"));
    load.args(["chaos", "--seconds", &(flags.minutes * 60).to_string()]);
    load.env("INKWIRE_BIN", format!("{target}/release/inkwire"));
    load.envs(flags.seed.map(|seed| ("INKWIRE_SEED", seed.to_string())));
    check(&mut load)
}
