//! The checked program: which one, how it is built for a tool, how it is set up, and whose traffic it gets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::finding::Failure;
use crate::process::{built, cargo};

/// A server and its traffic.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) origin: Origin,
    pub(super) profile: Profile,
    /// The folder of its sources.
    pub(super) root: PathBuf,
    pub(super) settings: Vec<Setting>,
    /// Its address, if it does not print that itself.
    pub(super) address: Option<String>,
    pub(super) seed: u64,
    /// Maximum time for it to be ready, and to stop; under Valgrind that is about thirty times as long as alone.
    pub(super) patience: Duration,
}

/// The build without a sanitizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// As it is shipped.
    Release,
    /// As the tests build it, so that it is there already: what is kept by mistake is the same.
    Dev,
}

/// The origin of the executable.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// Cargo builds it: a binary target of a package.
    Built { manifest: PathBuf, name: String },
    /// It is there; what needs a build of its own cannot be checked.
    There(PathBuf),
}

/// One way to set the server up.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Nothing where it is the only one.
    pub(super) name: &'static str,
    /// Arguments of the server; `{dir}` stands for a fresh folder.
    pub(super) server: Vec<String>,
    pub(super) traffic: Traffic,
}

/// The source of a round of traffic.
#[derive(Debug, Clone)]
pub(super) enum Traffic {
    /// A line for the shell.
    Shell(String),
    /// Our own, with more arguments; it is built when it is first needed.
    Own(Vec<String>),
}

/// The amount of work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Rounds that are not compared: caches fill, threads start.
    pub(super) warm_up: u64,
    /// Rounds that are.
    pub(super) rounds: u64,
    /// Traffic of a round, in units of the traffic's own.
    pub(super) times: u64,
    /// Also what only patience shows: peers that fall silent.
    pub(super) is_patient: bool,
}

impl Program {
    /// The executable without any tool in it, with the line numbers that tools need.
    ///
    /// # Errors
    /// If it does not build.
    pub(super) fn plain(&self) -> Result<PathBuf, Failure> {
        self.build(|command| match self.profile {
            Profile::Release => _ = command.arg("--release"),
            Profile::Dev => {}
        })
    }

    /// The executable with AddressSanitizer in it, which also brings LeakSanitizer.
    ///
    /// RUSTC_BOOTSTRAP lets the toolchain that builds the product, whichever that is, take the flag that is still called
    /// unstable: one way for everybody, and the code under test is what that compiler makes. `--target` keeps it out of
    /// build scripts and macros.
    ///
    /// # Errors
    /// If it does not build, or there is nothing to build.
    pub(super) fn sanitized(&self, host: &str, flag: &str) -> Result<PathBuf, Failure> {
        self.can_be_sanitized().map_err(Failure::Tool)?;
        let target = crate::root().join("target/leakcheck/asan");
        self.build(|command| {
            command.args(["--target", host]).arg("--target-dir").arg(&target);
            command.env("RUSTFLAGS", format!("{flag} -Cforce-frame-pointers=yes -Cdebuginfo=line-tables-only"));
            command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_INCREMENTAL", "0").env_remove("CARGO_ENCODED_RUSTFLAGS");
        })
    }

    /// Whether there is something to build.
    ///
    /// # Errors
    /// The reason, and what to give instead.
    pub(super) fn can_be_sanitized(&self) -> Result<(), String> {
        match self.origin {
            Origin::Built { .. } => Ok(()),
            Origin::There(_) => Err("asan needs a build of its own: give --manifest-path, and --bin as a name".into()),
        }
    }

    fn build(&self, more: impl FnOnce(&mut Command)) -> Result<PathBuf, Failure> {
        match &self.origin {
            Origin::There(path) => Ok(path.clone()),
            Origin::Built { manifest, name } => {
                let mut command = cargo(&["build", "--quiet", "--bin", name]);
                command.arg("--manifest-path").arg(manifest);
                more(&mut command);
                Ok(built(&mut command, name)?)
            }
        }
    }
}

/// The value of `{dir}`.
pub(super) fn filled(arguments: &[String], folder: &Path) -> Vec<String> {
    arguments.iter().map(|argument| argument.replace("{dir}", &folder.display().to_string())).collect()
}
