//! Running other programs.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::group::Guard;

/// Cargo itself.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(arguments);
    command
}

/// Runs a program to its end.
///
/// # Errors
/// If it cannot be started or fails, with what was run.
pub(crate) fn check(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("{shown} could not be started"))?;
    if !status.success() {
        bail!("{shown} failed ({status})");
    }
    Ok(())
}

/// Runs a program to its end and gives back what it printed.
///
/// # Errors
/// As [`check`].
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = shown(command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("{shown} could not be started"))?;
    if !output.status.success() {
        bail!("{shown} failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown} printed no text"))
}

/// Runs a program that may take so long, and gives back what it printed. With a guard, whatever it has started ends with it,
/// and with this process.
///
/// # Errors
/// If it cannot be started, or takes longer; then it is killed.
pub(crate) fn bounded(command: &mut Command, patience: Duration, guard: Option<&Guard>) -> anyhow::Result<Output> {
    let shown = shown(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if guard.is_some() {
        command.process_group(0);
    }
    let mut child = command.spawn().with_context(|| format!("{shown} could not be started"))?;
    let _group = guard.map(|guard| guard.of(&child));
    // Both pipes are read meanwhile: a program that fills one would wait for ever.
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let Some(status) = ended_within(&mut child, patience)? else {
        let _ = child.kill();
        let _ = child.wait();
        bail!("{shown} took longer than {} s, and was killed", patience.as_secs());
    };
    let read = |reader: thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Output { status, stdout: read(stdout), stderr: read(stderr) })
}

/// Returns the status of a child that ends in time.
///
/// # Errors
/// If it is no child any more.
pub(crate) fn ended_within(child: &mut Child, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Runs a `cargo build`, and says where the executable of that name is.
///
/// # Errors
/// If it does not build, or builds no such executable.
pub(crate) fn built(command: &mut Command, name: &str) -> anyhow::Result<PathBuf> {
    let messages = output(command.arg("--message-format=json-render-diagnostics"))?;
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut executables = artifacts.filter(|artifact| artifact["target"]["name"] == name);
    let path = executables.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    path.with_context(|| format!("{} builds no executable {name}", shown(command)))
}

/// Whether a program is on the PATH.
pub(crate) fn is_on_path(program: &str) -> bool {
    on_path(program).is_some()
}

/// Returns the file of a program on the PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
