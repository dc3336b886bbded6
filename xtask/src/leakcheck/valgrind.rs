//! `growth` and `memcheck`: one run under Valgrind for both, with vgdb asked between the rounds.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::finding::{Check, Checked, Class, Failure, Fault, Finding};
use super::growth::{self, Grown};
use super::memcheck;
use super::program::{Effort, Program, Setting};
use super::server::Server;
use crate::group::Guard;
use crate::process::{bounded, is_on_path};

/// Valgrind's exit code where it has found something. Only one more sign: a server that dies by a signal hides it, so what
/// counts is the report.
const FOUND: i32 = 97;
/// Maximum wait for an answer to vgdb.
const ANSWER: Duration = Duration::from_secs(120);

/// Returns what is missing, if anything is.
pub(super) fn missing() -> Option<String> {
    let missing = ["valgrind", "vgdb"].into_iter().find(|program| !is_on_path(program))?;
    Some(format!("{missing} is missing; type: apt-get install valgrind"))
}

/// Runs every setting once, for one of the checks or both.
pub(super) fn run(program: &Program, checks: &[Check], effort: Effort, guard: &Guard) -> Vec<Checked> {
    let mut all: Vec<Checked> = checks.iter().copied().map(Checked::new).collect();
    for setting in &program.settings {
        let mut run = Run::default();
        let failure = run.make(program, setting, effort, guard).err();
        for checked in &mut all {
            let faults = if checked.check == Check::Growth { &run.grown } else { &run.faults };
            checked.findings.extend(faults.iter().map(|(fault, each)| Finding {
                check: checked.check,
                setting: setting.name,
                connections: if checked.check == Check::Growth { run.compared } else { run.connections },
                fault: fault.clone(),
                each: each.clone(),
            }));
            if failure.is_none() {
                checked.note(setting.name, &run.note(checked.check, effort));
            }
            checked.failure = checked.failure.take().or(failure.clone());
        }
    }
    all
}

type Faults = Vec<(Fault, Vec<i64>)>;

/// A run, and what came of it so far.
#[derive(Default)]
struct Run {
    connections: u64,
    /// Connections of the rounds that are compared.
    compared: u64,
    possibly: usize,
    grown: Faults,
    faults: Faults,
}

impl Run {
    fn make(&mut self, program: &Program, setting: &Setting, effort: Effort, guard: &Guard) -> Result<(), Failure> {
        let executable = program.plain()?;
        let folder = tempfile::Builder::new().prefix("valgrind-").tempdir_in(super::server::runs()?)?;
        let report = folder.path().join("report.xml");
        let mut server = Server::start(program, setting, guard, valgrind(&executable, &report))?;
        let looked = self.look(&mut server, effort);
        let stopped = server.stop();
        // A server that died of what Valgrind has seen has a report none the less.
        let read = std::fs::read_to_string(&report).map_err(|error| error.to_string());
        match read.and_then(|text| memcheck::read(&text)) {
            Ok(report) => {
                self.possibly = report.possibly;
                self.faults = report.faults.into_iter().map(|fault| (fault, Vec::new())).collect();
            }
            Err(why) => return looked.and(stopped.map(drop)).and(Err(Failure::Server(why))),
        }
        let status = looked.and(stopped)?;
        if status.code() == Some(FOUND) && self.faults.is_empty() {
            return Err(Failure::Other("Valgrind says that it found something, and its report has nothing".into()));
        }
        match status.code() {
            Some(0 | FOUND) => Ok(()),
            _ => Err(Failure::Server(format!("the server stopped with {status}"))),
        }
    }

    /// Rounds, and a look after each from the last of the warm-up on.
    fn look(&mut self, server: &mut Server<'_>, effort: Effort) -> Result<(), Failure> {
        let (mut increases, mut descriptors) = (Vec::new(), Vec::new());
        for number in 1..=effort.warm_up + effort.rounds {
            let round = server.round(number, effort)?;
            self.connections += round.connections;
            if number < effort.warm_up {
                continue;
            }
            let grown = ask(server.pid(), &["leak_check", "full", "reachable", "increased"], growth::increases)?;
            descriptors.push(ask(server.pid(), &["v.info", "open_fds"], growth::descriptors)?);
            if number > effort.warm_up {
                self.compared += round.connections;
                increases.push(grown);
            }
        }
        let memory = growth::in_every_round(&increases).into_iter().map(|grown| grown_fault(grown, "memory"));
        let open = growth::opened_in_every_round(&descriptors);
        self.grown = memory.chain(open.into_iter().map(|grown| grown_fault(grown, "descriptors"))).collect();
        Ok(())
    }

    fn note(&self, check: Check, effort: Effort) -> String {
        match check {
            Check::Growth => {
                let Effort { rounds, warm_up, .. } = effort;
                format!("{rounds} equal rounds after {warm_up} to warm up, {} connections", self.compared)
            }
            _ => format!(
                "{} connections; {} records of what is possibly lost, as every thread's are",
                self.connections, self.possibly
            ),
        }
    }
}

fn grown_fault(grown: Grown, what: &str) -> (Fault, Vec<i64>) {
    let Grown { stack, bytes, each } = grown;
    let blocks = each.iter().sum::<i64>().unsigned_abs();
    let fault = Fault {
        class: Class::Leak,
        kind: format!("growing {what}"),
        detail: format!("more {what} after every round than before it, still reachable"),
        bytes: bytes.max(0).unsigned_abs(),
        blocks,
        stack,
    };
    (fault, each)
}

/// Valgrind in front of an executable, whose arguments are to follow.
fn valgrind(executable: &Path, report: &Path) -> Command {
    let mut command = Command::new("valgrind");
    // One thread at a time runs; `fair-sched` keeps one that never sleeps from keeping the others out.
    command.args(["--tool=memcheck", "--fair-sched=yes", "--track-fds=yes", "--num-callers=40", "--fullpath-after="]);
    command.args([
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--child-silent-after-fork=yes",
    ]);
    command.args(["--errors-for-leak-kinds=definite,indirect", &format!("--error-exitcode={FOUND}"), "--xml=yes"]);
    command.arg(format!("--xml-file={}", report.display())).arg(executable);
    command
}

/// Asks Valgrind something while the server runs.
fn ask<T>(pid: u32, words: &[&str], read: fn(&str) -> Option<T>) -> Result<T, Failure> {
    let mut command = Command::new("vgdb");
    command.arg(format!("--pid={pid}")).args(words);
    let output = bounded(&mut command, ANSWER, None).map_err(|error| Failure::Tool(format!("{error:#}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let answer = if output.status.success() { read(&text) } else { None };
    answer.ok_or_else(|| {
        let last = text.lines().last().unwrap_or("nothing").trim().to_owned();
        Failure::Tool(format!("vgdb was not answered (it wakes the server by ptrace, which must be allowed): {last}"))
    })
}
