//! `--self-test`: faults that are planted in a small server, each found by the check that is for it, in its file and line; and
//! silence where there is none. Without it, a clean result would say nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::finding::{Check, Checked, exit};
use super::program::{Effort, Origin, Profile, Program, Setting, Traffic};
use super::stack::Sources;
use super::{asan, slope, tools, valgrind};
use crate::group::Guard;
use crate::process::{built, cargo};

/// A fault of the fixture, and which checks must find it. `slope` knows no lines.
struct Planted {
    fault: &'static str,
    found_by: &'static [Check],
}

const PLANTED: [Planted; 7] = [
    Planted { fault: "box", found_by: &[Check::Memcheck, Check::Asan] },
    Planted { fault: "cycle", found_by: &[Check::Memcheck, Check::Asan] },
    Planted { fault: "map", found_by: &[Check::Growth, Check::Slope] },
    Planted { fault: "task", found_by: &[Check::Growth, Check::Slope] },
    Planted { fault: "descriptor", found_by: &[Check::Growth, Check::Slope] },
    Planted { fault: "overrun", found_by: &[Check::Memcheck, Check::Asan] },
    Planted { fault: "use-after-free", found_by: &[Check::Memcheck, Check::Asan] },
];
/// The fixture, from the root.
const FIXTURE: &str = "tests/faulty/src/main.rs";

pub(super) fn run() -> anyhow::Result<u8> {
    let start = Instant::now();
    for check in [Check::Growth, Check::Asan, Check::Slope] {
        if let Err(why) = tools::examine(check) {
            eprintln!("cargo xtask: the self-test cannot be made: {why}");
            return Ok(exit::TOOL);
        }
    }
    let bench = Bench::new()?;
    let mut missed = 0;
    for check in [Check::Growth, Check::Memcheck, Check::Asan, Check::Slope] {
        missed += usize::from(!bench.is_silent(check));
        let planted = PLANTED.iter().filter(|planted| planted.found_by.contains(&check));
        missed += planted.filter(|planted| !bench.finds(planted.fault, check)).count();
    }
    if missed > 0 {
        bail!("{missed} of the self-test's expectations are not met");
    }
    println!(
        "self-test: every check finds what it is for, and is silent where nothing is planted ({} s)",
        start.elapsed().as_secs()
    );
    Ok(exit::CLEAN)
}

/// The fixture, and where it lies.
struct Bench {
    executable: PathBuf,
    source: String,
    sources: Sources,
    toolchain: asan::Toolchain,
    guard: Guard,
}

impl Bench {
    fn new() -> anyhow::Result<Self> {
        let mut build = cargo(&["build", "--quiet", "--release", "--package", "faulty"]);
        let executable = built(build.current_dir(crate::root()), "faulty")?;
        let source =
            std::fs::read_to_string(crate::root().join(FIXTURE)).with_context(|| format!("{FIXTURE} is gone"))?;
        let toolchain = asan::toolchain().map_err(anyhow::Error::msg)?;
        Ok(Self { executable, source, sources: Sources::below(crate::root()), toolchain, guard: Guard::start()? })
    }

    /// The line at which a fault is planted, from 1.
    fn line(&self, fault: &str) -> Option<u32> {
        let mark = format!("// FAULT: {fault}");
        (1..).zip(self.source.lines()).find(|(_, line)| line.trim_end().ends_with(&mark)).map(|(number, _)| number)
    }

    fn check(&self, fault: &str, check: Check) -> Checked {
        let server = ["serve", "--fault", fault].map(str::to_owned).to_vec();
        let traffic = Traffic::Shell(format!("'{}' traffic", self.executable.display()));
        let manifest = crate::root().join("tests/faulty/Cargo.toml");
        let program = Program {
            origin: Origin::Built { manifest, name: "faulty".into() },
            profile: Profile::Release,
            root: crate::root(),
            settings: vec![Setting { name: "", server, traffic }],
            address: None,
            seed: 1,
            patience: Duration::from_secs(60),
        };
        let few = Effort { warm_up: 2, rounds: 3, times: 1, is_patient: false };
        let many = Effort { warm_up: 6, rounds: 8, times: 10, is_patient: false };
        match check {
            Check::Asan => asan::run(&program, &self.toolchain, few, &self.guard),
            Check::Slope => slope::run(&program, many, &self.guard),
            _ => valgrind::run(&program, &[check], few, &self.guard).remove(0),
        }
    }

    fn is_silent(&self, check: Check) -> bool {
        let checked = self.check("none", check);
        let is_silent = checked.findings.is_empty() && checked.failure.is_none();
        say(is_silent, check, "nothing planted", &outcome(&checked, &self.sources));
        is_silent
    }

    fn finds(&self, fault: &str, check: Check) -> bool {
        let checked = self.check(fault, check);
        let line = self.line(fault);
        let is_found = checked.findings.iter().any(|finding| match check {
            Check::Slope => true,
            _ => self
                .sources
                .blame(&finding.fault.stack)
                .is_some_and(|blame| blame.file.ends_with(FIXTURE) && Some(blame.line) == line),
        });
        let wanted = line.map_or("a fault that is not marked".into(), |line| format!("{fault} in line {line}"));
        say(is_found, check, &wanted, &outcome(&checked, &self.sources));
        is_found
    }
}

fn say(is_met: bool, check: Check, what: &str, outcome: &str) {
    let mark = if is_met { "ok" } else { "MISSED" };
    println!("self-test: {mark:6} {:9} {what:26} {outcome}", check.name());
}

fn outcome(checked: &Checked, sources: &Sources) -> String {
    let found = |finding: &super::finding::Finding| match sources.blame(&finding.fault.stack) {
        Some(blame) => format!("{} at {}:{}", finding.fault.kind, blame.file.display(), blame.line),
        None => finding.fault.kind.clone(),
    };
    let mut all: Vec<String> = checked.findings.iter().map(found).collect();
    all.dedup();
    all.extend(checked.failure.iter().map(|failure| format!("failed: {failure}")));
    if all.is_empty() { "nothing found".into() } else { all.join("; ") }
}
