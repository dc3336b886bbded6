//! Two builds of the server beside each other: times in interleaved pairs with the noise of the machine, and exact counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, text};
use crate::dice::Dice;
use crate::echo;
use crate::fanout::Scenario;
use crate::patience::wait_until;
use crate::server::{Server, serve};
use crate::stored::{self, Durable};

/// New beside old is worse if all of the 95 % interval lies above this.
const TIMES_AT_MOST: f64 = 1.03;
/// An exact count is worse above this.
const COUNTS_AT_MOST: f64 = 1.01;
/// Members who listen while something is counted.
const LISTENERS: usize = 20;
/// Operations of the two runs whose difference is counted: what start and end cost is in both.
const OPERATIONS: [u64; 2] = [20, 120];
/// How often each is counted.
const COUNTED: usize = 3;
/// Longer than any tick: each operation goes out by itself, at once, in both builds.
const APART: Duration = Duration::from_millis(80);

/// Two builds.
#[derive(Debug, Clone)]
pub struct Builds {
    /// The server as it was.
    pub old: PathBuf,
    /// The server as it is.
    pub new: PathBuf,
}

/// The ratio of one value to another over pairs of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The geometric mean.
    pub mean: f64,
    /// The ends of its 95 % interval (Student's t on the logarithms).
    pub interval: [f64; 2],
}

impl Ratio {
    /// Of values that were measured in pairs; none of less than two.
    pub fn of(over: &[f64], under: &[f64]) -> Option<Self> {
        let logs: Vec<f64> = over.iter().zip(under).map(|(over, under)| (over / under).ln()).collect();
        if logs.len() < 2 || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let reach = student(logs.len() - 1) * (variance / count).sqrt();
        Some(Self { mean: mean.exp(), interval: [(mean - reach).exp(), (mean + reach).exp()] })
    }

    fn is_worse(&self) -> bool {
        self.interval[0] > TIMES_AT_MOST
    }
}

/// The 97.5 % quantile of Student's t, by degrees of freedom.
fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 15] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131];
    QUANTILES.get(freedom.max(1) - 1).copied().unwrap_or(2.131)
}

/// Measures scenarios in rounds of three runs in a random order: old, old again, new. Prints each value with its ratio and the
/// noise floor, and returns how many are worse.
///
/// # Panics
/// If a run fails.
pub fn times(builds: &Builds, scenarios: &[Scenario], rounds: usize, connections: usize) -> usize {
    let mut dice = Dice::of_a_new_seed();
    let mut worse = 0;
    println!(
        "{:44} {:>9} {:>9}   new beside old (95 %)    old beside old (95 %)",
        "median of the rounds", "old", "new"
    );
    let mut all: Vec<Measurement> = vec![("echo".into(), Box::new(echoes)), ("durable".into(), Box::new(durable))];
    all.extend(scenarios.iter().map(|scenario| {
        let name = scenario.title().split(':').next().unwrap_or_default().to_owned();
        let measure = measured(name.clone(), connections);
        (name, Box::new(measure) as Box<dyn Fn(&Path) -> Values>)
    }));
    for (what, measure) in all {
        let mut runs: [Vec<Values>; 3] = Default::default();
        for _ in 0..rounds {
            let first = dice.below(3) as usize;
            for at in (0..3).map(|at| (first + at) % 3) {
                let binary = if at == 2 { &builds.new } else { &builds.old };
                runs[at].push(measure(binary));
            }
        }
        for name in runs[0][0].keys() {
            let of = |at: usize| runs[at].iter().filter_map(|values| values.get(name).copied()).collect::<Vec<f64>>();
            let [old, again, new] = [0, 1, 2].map(of);
            let larger_is_better = name.ends_with("/s") || name == "delivered %";
            let beside = |one: &[f64]| if larger_is_better { Ratio::of(&old, one) } else { Ratio::of(one, &old) };
            let (Some(ratio), Some(floor)) = (beside(&new), beside(&again)) else { continue };
            let verdict = if ratio.is_worse() { "WORSE" } else { "" };
            worse += usize::from(ratio.is_worse());
            let what = format!("{what}: {name}");
            println!(
                "{what:44} {:9.3} {:9.3}   {}    {} {verdict}",
                median(&old),
                median(&new),
                shown(ratio),
                shown(floor)
            );
        }
    }
    worse
}

fn shown(Ratio { mean, interval: [least, most] }: Ratio) -> String {
    format!("{mean:.3} ({least:.3} to {most:.3})")
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Something that is measured of a server: its name, and how.
type Measurement = (String, Box<dyn Fn(&Path) -> Values>);

/// Measured values, by name.
type Values = std::collections::BTreeMap<String, f64>;

/// Echoes on a server, at several numbers of connections.
fn echoes(binary: &Path) -> Values {
    let of = |connections| {
        let mut command = Command::new(binary);
        let server = Server::spawn(command.args(serve(&[]).get_args()));
        let microseconds = echo::measure(&server, "/echo", connections, Duration::from_secs(2));
        (format!("µs/echo at {connections}"), microseconds)
    };
    [1, 100, 1000].map(of).into_iter().collect()
}

/// Operations that become durable on a server.
fn durable(binary: &Path) -> Values {
    const LASTS: Duration = Duration::from_secs(5);
    let Durable { heard, commits, .. } = stored::durable(binary, LASTS);
    let ms = |lasts: Duration| lasts.as_secs_f64() * 1e3;
    [("p50 ms", ms(heard.p50)), ("p99 ms", ms(heard.p99)), ("commits in a second", commits / LASTS.as_secs_f64())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// Runs a scenario once on a server, in a process of its own.
fn measured(name: String, connections: usize) -> impl Fn(&Path) -> Values {
    move |binary| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut load = Command::new(std::env::current_exe().expect("this program"));
        load.args(["fanout", &name, "--alone", "--rounds", "1", "--connections", &connections.to_string(), "--save"]);
        load.arg(folder.path()).env("INKWIRE_BIN", binary).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(load.status().expect("it runs").success(), "{name} failed on {}", binary.display());
        let text = std::fs::read_to_string(folder.path().join("fanout.json")).expect("it was written");
        let report: Value = serde_json::from_str(&text).expect("it is JSON");
        let values = report["rows"][0]["values"].as_object().expect("values").iter();
        values.filter_map(|(name, value)| Some((name.clone(), value["median"].as_f64()?))).collect()
    }
}

/// Counts instructions, allocations and system calls for a delivery. Prints them, and returns how many are worse.
///
/// # Panics
/// If a tool is missing, or says something else than is known of it.
pub fn counts(builds: &Builds) -> usize {
    let mut worse = 0;
    println!("{:44} {:>9} {:>9}   new beside old", "counted for a delivery", "old", "new");
    for tool in [Tool::Callgrind, Tool::Memcheck, Tool::Strace] {
        let [old, new] = [&builds.old, &builds.new].map(|binary| tool.for_a_delivery(binary));
        for ((name, old), (_, new)) in old.into_iter().zip(new) {
            let ratio = new / old;
            let verdict = if ratio > COUNTS_AT_MOST { "WORSE" } else { "" };
            worse += usize::from(ratio > COUNTS_AT_MOST);
            println!("{name:44} {old:9.3} {new:9.3}   {ratio:.3} {verdict}");
        }
    }
    worse
}

/// A tool that counts.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Callgrind,
    Memcheck,
    Strace,
}

impl Tool {
    fn for_a_delivery(self, binary: &Path) -> Vec<(&'static str, f64)> {
        let [few, many] = OPERATIONS.map(|operations| self.least(binary, operations));
        let deliveries = (OPERATIONS[1] - OPERATIONS[0]) as f64 * (LISTENERS + 1) as f64;
        many.into_iter().zip(few).map(|((name, many), (_, few))| (name, (many - few) / deliveries)).collect()
    }

    /// The least of several counts: what comes on top of it is of timers that fell in between.
    fn least(self, binary: &Path, operations: u64) -> Vec<(&'static str, f64)> {
        let mut all = (0..COUNTED).map(|_| self.counted(binary, operations));
        let first = all.next().expect("it was counted");
        all.fold(first, |least, next| {
            least.into_iter().zip(next).map(|((name, least), (_, next))| (name, least.min(next))).collect()
        })
    }

    /// Has so many operations delivered, one after the other, to everybody on a board.
    fn counted(self, binary: &Path, operations: u64) -> Vec<(&'static str, f64)> {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said");
        let log = std::fs::File::create(&said).expect("a file");
        let counts = folder.path().join("counts");
        let server = Server::spawn_logging(&mut self.command(binary, &counts), log);
        let join = |at| Client::join(&server.address, "x", &format!("{at:02} listens"));
        let mut listeners: Vec<Client> = (0..LISTENERS).map(join).collect();
        let mut ada = join(LISTENERS);
        for at in 0..operations {
            ada.does(text("a text")).expect("it is taken");
            listeners.iter_mut().for_each(|listener| listener.wait_for_seq(at + 1));
            ada.listen(APART);
        }
        drop((listeners, ada));
        server.stop();
        self.read(&std::fs::read_to_string(said).expect("text"), &counts)
    }

    fn command(self, binary: &Path, counts: &Path) -> Command {
        let runner: &[&str] = match self {
            Self::Callgrind => &["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"],
            Self::Memcheck => &["valgrind", "--leak-check=no"],
            // The server is its child, and has the process id that is known here.
            Self::Strace => &["strace", "-D", "-f", "-c", "-o", counts.to_str().expect("a path of letters")],
        };
        let mut command = Command::new(runner[0]);
        command.args(&runner[1..]).arg(binary).args(serve(&[]).get_args());
        command
    }

    fn read(self, said: &str, counts: &Path) -> Vec<(&'static str, f64)> {
        let number = |line: &str, at: usize| -> f64 {
            let word = line.split_whitespace().nth(at).expect("a number stands there");
            word.replace(',', "").parse().expect("a number")
        };
        let line = |text: &str, with: &str| text.lines().find(|line| line.contains(with)).expect(with).to_owned();
        match self {
            Self::Callgrind => vec![("instructions", number(&line(said, "Collected :"), 3))],
            Self::Memcheck => vec![("allocations", number(&line(said, "total heap usage:"), 4))],
            Self::Strace => {
                let mut text = String::new();
                wait_until("strace has written what it counted", || {
                    text = std::fs::read_to_string(counts).unwrap_or_default();
                    text.contains("total")
                });
                vec![("system calls", number(&line(&text, "total"), 3))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_has_an_interval_that_noise_widens() {
        let same = Ratio::of(&[2.0, 4.0, 6.0], &[1.0, 2.0, 3.0]).unwrap();
        assert!((same.mean - 2.0).abs() < 1e-9 && (same.interval[1] - same.interval[0]).abs() < 1e-9);
        assert!(same.is_worse());
        let noisy = Ratio::of(&[1.0, 1.3, 0.9, 1.1], &[1.0; 4]).unwrap();
        assert!(noisy.interval[0] < 1.0 && noisy.interval[1] > 1.2, "{noisy:?}");
        assert!(!noisy.is_worse());
        assert_eq!(Ratio::of(&[1.0], &[1.0]), None, "one pair says nothing");
    }
}
