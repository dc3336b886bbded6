//! `asan`: a build with AddressSanitizer and LeakSanitizer, under traffic, to a clean stop.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::finding::{Check, Checked, Class, Failure, Fault, Finding};
use super::program::{Effort, Program, Setting};
use super::sanitizer;
use super::server::Server;
use crate::group::Guard;
use crate::process::{on_path, output};

/// Exit codes of the sanitizers where they have found something.
const LEAKED: i32 = 23;
const ERRED: i32 = 24;

/// The toolchain that can do it.
#[derive(Debug, Clone)]
pub(super) struct Toolchain {
    /// The target triple of this machine.
    host: String,
    /// How the compiler calls it.
    flag: &'static str,
    /// The compiler's name and version.
    pub(super) version: String,
}

/// Finds out whether the toolchain has the sanitizer's runtime, and how the flag is called: it is being stabilised as
/// `-Csanitize` (rust-lang/rust#123617).
///
/// # Errors
/// A missing part of the tool chain.
pub(super) fn toolchain() -> Result<Toolchain, String> {
    let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    let ask = |arguments: &[&str]| output(rustc().args(arguments));
    let version = ask(&["-vV"]).map_err(|error| format!("{error:#}"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let libraries = ask(&["--print", "target-libdir"]).map_err(|error| format!("{error:#}"))?;
    let has_runtime = std::fs::read_dir(libraries.trim()).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("librustc-") && name.ends_with("_rt.asan.a")
    });
    if !has_runtime {
        return Err(format!(
            "this toolchain has no runtime of AddressSanitizer for {host}; take rustup's, as in rust-toolchain or by: rustup toolchain install stable"
        ));
    }
    let is_stable =
        ask(&["-C", "help"]).is_ok_and(|help| help.lines().any(|line| line.trim().starts_with("-C sanitize=")));
    let flag = if is_stable { "-Csanitize=address" } else { "-Zsanitizer=address" };
    Ok(Toolchain { host, flag, version: version.lines().next().unwrap_or_default().to_owned() })
}

impl Toolchain {
    /// A program with the sanitizers in it.
    ///
    /// # Errors
    /// As [`Program::sanitized`].
    pub(super) fn build(&self, program: &Program) -> Result<PathBuf, Failure> {
        program.sanitized(&self.host, self.flag)
    }
}

/// Runs every setting once.
pub(super) fn run(program: &Program, toolchain: &Toolchain, effort: Effort, guard: &Guard) -> Checked {
    let mut checked = Checked::new(Check::Asan);
    for setting in &program.settings {
        let mut connections = 0;
        let made = make(program, toolchain, setting, effort, guard, &mut connections);
        let (faults, failure) = made.unwrap_or_else(|failure| (Vec::new(), Some(failure)));
        checked.findings.extend(faults.into_iter().map(|fault| Finding {
            check: Check::Asan,
            setting: setting.name,
            connections: connections.max(1),
            fault,
            each: Vec::new(),
        }));
        if failure.is_none() {
            checked.note(setting.name, &format!("{connections} connections, {}", toolchain.version));
        }
        checked.failure = checked.failure.take().or(failure);
    }
    checked
}

fn make(
    program: &Program,
    toolchain: &Toolchain,
    setting: &Setting,
    effort: Effort,
    guard: &Guard,
    connections: &mut u64,
) -> Result<(Vec<Fault>, Option<Failure>), Failure> {
    let executable = toolchain.build(program)?;
    let folder = tempfile::Builder::new().prefix("asan-").tempdir_in(super::server::runs()?)?;
    let mut server = Server::start(program, setting, guard, sanitized(&executable, folder.path()))?;
    let driven = (1..=effort.warm_up + effort.rounds).try_for_each(|number| {
        *connections += server.round(number, effort)?.connections;
        Ok(())
    });
    let words = server.words();
    let stopped = server.stop();
    let faults = sanitizer::read(&(reports(folder.path())? + &words)).map_err(Failure::Tool)?;
    let failure = match (driven, stopped) {
        (Ok(()), Ok(status)) => match status.code() {
            Some(0) => None,
            Some(LEAKED | ERRED) if !faults.is_empty() => None,
            Some(LEAKED | ERRED) => {
                Some(Failure::Other("the sanitizer found something, and its report has nothing".into()))
            }
            _ => Some(Failure::Server(format!("the server stopped with {status}"))),
        },
        (Err(failure), _) | (Ok(()), Err(failure)) => Some(failure),
    };
    // That it dies of a memory error is no failure of its own.
    let is_explained = faults.iter().any(|fault| fault.class == Class::Memory);
    Ok((faults, failure.filter(|_| !is_explained)))
}

/// Reads the reports of the sanitizers; they put the process id after the name.
fn reports(folder: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            text += &String::from_utf8_lossy(&std::fs::read(&path)?);
        }
    }
    Ok(text)
}

fn sanitized(executable: &Path, folder: &Path) -> Command {
    let mut command = Command::new(executable);
    let log = folder.join("report");
    let symbolizer = symbolizer().map_or(String::new(), |path| format!(":external_symbolizer_path={}", path.display()));
    command.env(
        "ASAN_OPTIONS",
        format!(
            "detect_leaks=1:exitcode={ERRED}:log_path={}:stack_trace_format=\"{}\"{symbolizer}",
            log.display(),
            sanitizer::FORMAT
        ),
    );
    command.env("LSAN_OPTIONS", format!("exitcode={LEAKED}"));
    command
}

/// Returns the symbolizer: LLVM's own, or else that of binutils, which is there with every linker.
pub(super) fn symbolizer() -> Option<PathBuf> {
    on_path("llvm-symbolizer").or_else(|| on_path("addr2line"))
}
