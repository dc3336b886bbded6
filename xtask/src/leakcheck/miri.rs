//! `miri`: the tests of the pure crates in an interpreter that knows what is undefined, where it is installed.

use std::process::Command;
use std::time::Duration;

use super::finding::{Check, Checked, Class, Failure, Fault, Finding};
use crate::group::Guard;
use crate::process::bounded;

/// Crates without sockets or clocks, which is what Miri can run.
const PURE: [&str; 2] = ["inkwire-protocol", "inkwire-board"];
const PATIENCE: Duration = Duration::from_secs(600);

/// Returns the call of Miri, if it is installed: by the toolchain in use, or by a nightly beside it.
///
/// # Errors
/// The command that installs it.
pub(super) fn toolchain() -> Result<&'static [&'static str], String> {
    let answers = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments).args(["miri", "--version"]);
        bounded(&mut command, Duration::from_secs(30), None).is_ok_and(|output| output.status.success())
    };
    [&[][..], &["+nightly"][..]]
        .into_iter()
        .find(|arguments| answers(arguments))
        .ok_or_else(|| "miri is not installed; type: rustup toolchain install nightly --component miri".into())
}

/// Runs the tests of the pure crates, few cases of those that try many.
pub(super) fn run(toolchain: &[&str], guard: &Guard) -> Checked {
    let mut checked = Checked::new(Check::Miri);
    for name in PURE {
        let mut command = Command::new("cargo");
        command
            .args(toolchain)
            .args(["miri", "test", "--quiet", "--lib", "--package", name])
            .current_dir(crate::root());
        command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "2");
        match bounded(&mut command, PATIENCE, Some(guard)) {
            Err(error) => checked.failure = Some(Failure::Tool(format!("{error:#}"))),
            Ok(output) if output.status.success() => checked.notes.push(format!("{name}: its tests pass")),
            Ok(output) => fail(name, &String::from_utf8_lossy(&output.stderr), &mut checked),
        }
    }
    checked
}

fn fail(name: &str, words: &str, checked: &mut Checked) {
    let Some(line) = words.lines().find(|line| line.contains("Undefined Behavior") || line.contains("memory leaked"))
    else {
        let last = words.lines().last().unwrap_or("it said nothing");
        checked.failure = Some(Failure::Other(format!("the tests of {name} fail under Miri: {last}")));
        return;
    };
    let (class, kind) =
        if line.contains("leaked") { (Class::Leak, "lost") } else { (Class::Memory, "undefined behaviour") };
    let detail = format!("{name}: {line}");
    let fault = Fault { class, kind: kind.into(), detail, bytes: 0, blocks: 0, stack: Vec::new() };
    checked.findings.push(Finding { check: Check::Miri, setting: "", connections: 1, fault, each: Vec::new() });
}
