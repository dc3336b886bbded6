//! `cargo xtask leakcheck`: looks for leaks and memory errors in a server under real traffic, in several ways that find what the others do not.
//!
//! What is lost is found by `memcheck` and `asan`. What is kept by mistake, an entry in a map or a task that never ends, is
//! reachable, and both call it clean; `growth` and `slope` compare equal rounds of traffic and find it.

mod asan;
mod finding;
mod growth;
mod memcheck;
mod miri;
mod program;
mod regression;
mod report;
mod sanitizer;
mod self_test;
mod server;
mod slope;
mod stack;
mod suppressions;
mod tools;
mod valgrind;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use self::finding::{Check, Checked, Failure, exit, exit_code};
use self::program::{Effort, Origin, Profile, Program, Setting, Traffic};
use self::stack::Sources;
use self::suppressions::Suppression;
use crate::group::Guard;
use crate::process::{cargo, output};

/// The checks, in the order in which they are made: that which takes a build of its own when that has been made meanwhile.
const ALL: [Check; 5] = [Check::Growth, Check::Memcheck, Check::Slope, Check::Asan, Check::Miri];
/// The suppressions of the product, from the root.
const SUPPRESSIONS: &str = "xtask/leakcheck.suppressions";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A server of your own: it prints a line with http://HOST:PORT or ws://HOST:PORT when it is ready (or give --address), and
stops on SIGTERM by returning from main. {dir} in its arguments stands for a fresh folder. The traffic is a line for the
shell that makes one round, as much each time. It finds LEAKCHECK_ADDRESS, LEAKCHECK_PID, LEAKCHECK_ROUND, LEAKCHECK_SEED
and LEAKCHECK_TIMES (how much) in its environment, fails where the server did not do what it should, and prints
`connections N`, and `gauge NAME VALUE` for whatever else must not grow. For example:

  cargo xtask leakcheck --manifest-path app/Cargo.toml --bin app --traffic 'python3 round.py' -- --port 0

Exit codes: 0 clean, 1 failure, 2 wrong usage, 3 a leak, 4 a memory error, 5 a tool is missing, 6 the server failed,
7 the traffic failed.")]
pub(crate) struct Flags {
    /// What to check; everything where nothing is said. Naming a check insists on it, as --require does.
    checks: Vec<Check>,
    /// Fewer rounds, on the build that the tests use, and nothing that takes patience: under three minutes.
    #[arg(long)]
    quick: bool,
    /// Checks that must be made: one that is skipped because a tool is missing is a failure.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    require: Vec<Check>,
    /// Say which tools are there and what to type for those that are not, and do nothing else.
    #[arg(long)]
    doctor: bool,
    /// See whether the checks find what they are for, with faults that are planted in a small server.
    #[arg(long, conflicts_with_all = ["bin", "doctor"])]
    self_test: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Also print annotations for GitHub's workflows.
    #[arg(long, conflicts_with = "json")]
    annotate: bool,
    /// Another server than the drawing server: an executable by its path, or a binary target by its name.
    #[arg(long, value_name = "PATH|NAME", requires = "traffic")]
    bin: Option<String>,
    /// The manifest of that target.
    #[arg(long, value_name = "PATH", requires = "bin", default_value = "Cargo.toml")]
    manifest_path: PathBuf,
    /// What makes a round of traffic at that server: a line for the shell.
    #[arg(long, value_name = "COMMAND", requires = "bin")]
    traffic: Option<String>,
    /// Where that server listens, where it does not say so itself.
    #[arg(long, value_name = "HOST:PORT", requires = "bin")]
    address: Option<String>,
    /// What is known and borne with: lines of a check and parts of function names, each below a comment that says why. One that
    /// a full run does not need is an error. For the drawing server that is xtask/leakcheck.suppressions.
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,
    /// Of what the traffic chooses at random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds that a server may take to get ready, and to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
    /// Arguments of that server.
    #[arg(last = true, requires = "bin")]
    arguments: Vec<String>,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<u8> {
    if flags.doctor {
        return Ok(doctor(flags));
    }
    if flags.self_test {
        return self_test::run();
    }
    let program = program(flags)?;
    let suppressions = match suppressions(flags) {
        Ok(suppressions) => suppressions,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            return Ok(exit::USAGE);
        }
    };
    let sources = Sources::below(program.root.clone());
    let mut all = examine(&program, flags)?;
    let unused = bear_with(&suppressions, &mut all, &sources);
    // A few rounds need not show all that many do.
    let unused = if flags.quick { Vec::new() } else { unused };
    let code = match exit_code(&all) {
        exit::CLEAN if !unused.is_empty() => exit::OTHER,
        code => code,
    };
    tell(&all, code, &sources, flags);
    for line in &unused {
        eprintln!("cargo xtask: leakcheck: the suppression in line {line} is not needed any more; remove it");
    }
    Ok(code)
}

/// Makes every check that is asked for.
fn examine(program: &Program, flags: &Flags) -> anyhow::Result<Vec<Checked>> {
    let guard = Guard::start()?;
    let is_named = |check: &Check| flags.checks.contains(check) || flags.require.contains(check);
    let wanted = |check: &Check| flags.checks.is_empty() || is_named(check);
    let checks: Vec<Check> = ALL.into_iter().filter(wanted).collect();
    let mut all: Vec<Checked> = Vec::new();
    // The second build is made while others are at work, which measure no time; what is wrong with it is said in turn.
    let builds_ahead = checks.len() > 1 && checks.contains(&Check::Asan) && can_be_made(Check::Asan, program).is_ok();
    if let (true, Ok(toolchain)) = (builds_ahead, asan::toolchain()) {
        let program = program.clone();
        std::thread::spawn(move || toolchain.build(&program));
    }
    for check in checks.iter().copied() {
        if all.iter().any(|checked| checked.check == check) {
            continue;
        }
        if let Err(why) = tools::examine(check).and_then(|_| can_be_made(check, program)) {
            all.push(unmade(check, why, flags));
            continue;
        }
        let start = Instant::now();
        let mut made = match check {
            Check::Growth | Check::Memcheck => {
                let both = [Check::Growth, Check::Memcheck];
                let both: Vec<Check> = both.into_iter().filter(|check| checks.contains(check)).collect();
                eprintln!("leakcheck: {} ...", both.iter().map(|check| check.name()).collect::<Vec<_>>().join(" and "));
                valgrind::run(program, &both, effort(check, flags.quick), &guard)
            }
            _ => {
                eprintln!("leakcheck: {} ...", check.name());
                vec![alone(check, program, effort(check, flags.quick), &guard)?]
            }
        };
        made.iter_mut().for_each(|checked| checked.seconds = start.elapsed().as_secs_f64());
        all.extend(made);
    }
    Ok(all)
}

fn alone(check: Check, program: &Program, effort: Effort, guard: &Guard) -> anyhow::Result<Checked> {
    Ok(match check {
        Check::Asan => asan::run(program, &asan::toolchain().map_err(anyhow::Error::msg)?, effort, guard),
        Check::Miri => miri::run(miri::toolchain().map_err(anyhow::Error::msg)?, guard),
        _ => slope::run(program, effort, guard),
    })
}

/// Returns why a check cannot be made of a program.
fn can_be_made(check: Check, program: &Program) -> Result<(), String> {
    match check {
        Check::Asan => program.can_be_sanitized(),
        Check::Miri if program.root != crate::root() => Err("miri is for the pure crates of Inkwire".into()),
        _ => Ok(()),
    }
}

/// A check that cannot be made: skipped, unless somebody insists.
fn unmade(check: Check, why: String, flags: &Flags) -> Checked {
    let mut checked = Checked::new(check);
    if flags.checks.contains(&check) || flags.require.contains(&check) {
        checked.failure = Some(Failure::Tool(why));
    } else {
        checked.skipped = Some(why);
    }
    checked
}

/// Returns the work of a check: what is compared must have warmed up, and a slope needs many connections.
fn effort(check: Check, is_quick: bool) -> Effort {
    match (check, is_quick) {
        (Check::Asan, true) => Effort { warm_up: 0, rounds: 2, times: 2, is_patient: false },
        (Check::Asan, false) => Effort { warm_up: 0, rounds: 4, times: 5, is_patient: true },
        (Check::Slope, true) => Effort { warm_up: 16, rounds: 12, times: 20, is_patient: false },
        (Check::Slope, false) => Effort { warm_up: 24, rounds: 48, times: 20, is_patient: false },
        (_, true) => Effort { warm_up: 3, rounds: 4, times: 1, is_patient: false },
        (_, false) => Effort { warm_up: 4, rounds: 6, times: 3, is_patient: true },
    }
}

/// Takes away what is borne with, and what is the same.
fn bear_with(suppressions: &[Suppression], all: &mut [Checked], sources: &Sources) -> Vec<usize> {
    let made: Vec<Check> = all
        .iter()
        .filter(|checked| checked.failure.is_none() && checked.skipped.is_none())
        .map(|checked| checked.check)
        .collect();
    let mut findings: Vec<_> = all.iter_mut().flat_map(|checked| std::mem::take(&mut checked.findings)).collect();
    let unused = suppressions::apply(suppressions, &made, &mut findings);
    for finding in report::merged(findings, sources) {
        let checked = all.iter_mut().find(|checked| checked.check == finding.check).expect("it came from one");
        checked.findings.push(finding);
    }
    unused
}

fn tell(all: &[Checked], code: u8, sources: &Sources, flags: &Flags) {
    let mut text = String::new();
    if flags.annotate {
        text += &report::annotations(all, sources);
    }
    match flags.json {
        true => text += &format!("{}\n", report::json(all, code, sources)),
        false => text += &report::text(all, sources),
    }
    // Nobody may read to the end; that changes nothing in what was found.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn doctor(flags: &Flags) -> u8 {
    let mut code = exit::CLEAN;
    for check in ALL {
        match tools::examine(check) {
            Ok(with) => println!("{:9} can be made: {with}", check.name()),
            Err(why) => {
                println!("{:9} is skipped: {why}", check.name());
                if flags.require.contains(&check) || flags.checks.contains(&check) {
                    code = exit::TOOL;
                }
            }
        }
    }
    code
}

fn suppressions(flags: &Flags) -> anyhow::Result<Vec<Suppression>> {
    let path = match (&flags.suppressions, &flags.bin) {
        (Some(path), _) => path.clone(),
        (None, Some(_)) => return Ok(Vec::new()),
        (None, None) => crate::root().join(SUPPRESSIONS),
    };
    let shown = path.display();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{shown} cannot be read"))?;
    suppressions::read(&text).map_err(|why| anyhow::anyhow!("{shown}: {why}"))
}

fn program(flags: &Flags) -> anyhow::Result<Program> {
    let (seed, patience) = (flags.seed, Duration::from_secs(flags.patience));
    let profile = if flags.quick { Profile::Dev } else { Profile::Release };
    let (Some(bin), Some(traffic)) = (&flags.bin, &flags.traffic) else { return Ok(product(profile, seed, patience)) };
    let is_path = bin.contains('/');
    let (origin, root) = if is_path {
        (Origin::There(bin.into()), std::env::current_dir()?)
    } else {
        let root = workspace(&flags.manifest_path)?;
        (Origin::Built { manifest: flags.manifest_path.clone(), name: bin.clone() }, root)
    };
    let setting = Setting { name: "", server: flags.arguments.clone(), traffic: Traffic::Shell(traffic.clone()) };
    Ok(Program { origin, profile, root, settings: vec![setting], address: flags.address.clone(), seed, patience })
}

/// The drawing server, with a disk and without. In memory it keeps what is drawn, so there the rounds repeat what it has.
fn product(profile: Profile, seed: u64, patience: Duration) -> Program {
    let setting = |name, data: &str, traffic: &[&str]| {
        let server = ["serve", "--listen", "127.0.0.1:0", "--linger", "0.1", "--ping-interval", "0.5", "--log", "warn"];
        let server = server.iter().chain(&["--data", data]).map(ToString::to_string).collect();
        Setting { name, server, traffic: Traffic::Own(traffic.iter().map(ToString::to_string).collect()) }
    };
    Program {
        origin: Origin::Built { manifest: crate::root().join("server/Cargo.toml"), name: "inkwire".into() },
        profile,
        root: crate::root(),
        settings: vec![setting("on disk", "{dir}/data", &[]), setting("in memory", ":memory:", &["--again"])],
        address: None,
        seed,
        patience,
    }
}

/// The root of the workspace that a manifest belongs to.
fn workspace(manifest: &Path) -> anyhow::Result<PathBuf> {
    let mut locate = cargo(&["locate-project", "--workspace", "--message-format", "plain", "--manifest-path"]);
    let path = PathBuf::from(output(locate.arg(manifest))?.trim());
    Ok(path.parent().context("a manifest lies in a folder")?.to_owned())
}
