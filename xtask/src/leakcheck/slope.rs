//! `slope`: the release build without tools, and what each connection leaves behind: memory, descriptors, threads, gauges.

use std::fs;
use std::process::Command;

use super::finding::{Check, Checked, Class, Failure, Fault, Finding};
use super::program::{Effort, Program, Setting};
use super::regression::{Slope, slope};
use super::server::{Round, Server};
use crate::group::Guard;

/// A connection leaks memory where it leaves more than so many bytes: an allocator moves pages about, and the smallest
/// thing that is forgotten in a map is larger.
pub(super) const BYTES: f64 = 16.0;
/// A connection leaks a descriptor, a thread or a task where it leaves more than so many: one in a thousand connections.
pub(super) const COUNT: f64 = 0.001;

/// As long as it is not certain that nothing leaks, so many more rounds are made, so often at most. All count: what grows by
/// leaps, as a table that doubles or a cache that fills on a busy machine, is seen over several of them.
const WINDOWS: u32 = 3;

/// Something that is measured after each round.
#[derive(Debug, Clone, PartialEq)]
struct Measure {
    name: String,
    limit: f64,
    /// Connections so far, and how much there is.
    points: Vec<(f64, f64)>,
}

impl Measure {
    /// Whether the limit lies above the interval. That it lies below is no proof yet: the rounds are not independent of each other,
    /// and one step in few of them looks like a slope.
    fn is_surely_clean(&self) -> bool {
        slope(&self.points).is_none_or(|found| found.most < self.limit)
    }
}

/// Runs every setting once.
pub(super) fn run(program: &Program, effort: Effort, guard: &Guard) -> Checked {
    let mut checked = Checked::new(Check::Slope);
    for setting in &program.settings {
        match measure(program, setting, effort, guard) {
            Ok(measures) => measures.iter().for_each(|measure| judge(measure, setting.name, &mut checked)),
            Err(failure) => checked.failure = checked.failure.take().or(Some(failure)),
        }
    }
    checked
}

fn measure(program: &Program, setting: &Setting, effort: Effort, guard: &Guard) -> Result<Vec<Measure>, Failure> {
    let mut server = Server::start(program, setting, guard, frugal(Command::new(program.plain()?)))?;
    let (mut number, mut connections) = (0, 0);
    let mut measures: Vec<Measure> = Vec::new();
    for _ in 0..WINDOWS {
        let until = effort.warm_up.max(number) + effort.rounds;
        while number < until {
            number += 1;
            let round = server.round(number, effort)?;
            connections += round.connections;
            if number > until - effort.rounds {
                note(&mut measures, connections, look(server.pid(), round)?);
            }
        }
        if measures.iter().all(Measure::is_surely_clean) {
            break;
        }
    }
    let status = server.stop()?;
    if !status.success() {
        return Err(Failure::Server(format!("the server stopped with {status}")));
    }
    Ok(measures)
}

fn note(measures: &mut Vec<Measure>, connections: u64, values: Vec<(String, f64, f64)>) {
    for (name, limit, value) in values {
        let known = measures.iter().position(|measure| measure.name == name);
        let at = known.unwrap_or_else(|| {
            measures.push(Measure { name, limit, points: Vec::new() });
            measures.len() - 1
        });
        measures[at].points.push((connections as f64, value));
    }
}

/// glibc's allocator gives back what is free and keeps one heap for all threads (mallopt(3)), so that what is left is what
/// somebody holds; left alone it keeps megabytes, and lets them go at some time.
fn frugal(mut command: Command) -> Command {
    command.env("MALLOC_ARENA_MAX", "1").env("MALLOC_TRIM_THRESHOLD_", "65536").env("MALLOC_MMAP_THRESHOLD_", "65536");
    command
}

/// Measures the present state.
fn look(pid: u32, round: Round) -> Result<Vec<(String, f64, f64)>, Failure> {
    let gone = |error: std::io::Error| Failure::Server(format!("the server is gone: {error}"));
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(gone)?;
    let memory = private_dirty(&memory).ok_or_else(|| Failure::Other("smaps_rollup has no Private_Dirty".into()))?;
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map(|entries| entries.count() as f64);
    let mut all = vec![
        ("bytes of memory".to_owned(), BYTES, memory),
        ("descriptors".to_owned(), COUNT, count("fd").map_err(gone)?),
        ("threads".to_owned(), COUNT, count("task").map_err(gone)?),
    ];
    all.extend(round.gauges.into_iter().map(|(name, value)| (name, COUNT, value)));
    Ok(all)
}

/// Pages that this process alone has and has written to, in bytes (`proc(5)`).
fn private_dirty(smaps: &str) -> Option<f64> {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? * 1024.0)
}

/// Says how much a connection leaves, and whether that is a leak: unless it is below the limit with 95 % confidence, it is.
fn judge(measure: &Measure, setting: &'static str, checked: &mut Checked) {
    let Some(found) = slope(&measure.points) else {
        checked.failure.get_or_insert(Failure::Other("too few rounds for a slope: eight at least".into()));
        return;
    };
    let words = in_words(found, &measure.name);
    if found.most >= measure.limit {
        let connections = measure.points.last().map_or(0.0, |last| last.0) - measure.points[0].0;
        let left = (found.slope.max(0.0) * connections) as u64;
        let is_memory = measure.limit == BYTES;
        checked.findings.push(Finding {
            check: Check::Slope,
            setting,
            connections: connections as u64,
            fault: Fault {
                class: Class::Leak,
                kind: format!("left behind: {}", measure.name),
                detail: words,
                bytes: if is_memory { left } else { 0 },
                blocks: if is_memory { 0 } else { left },
                stack: Vec::new(),
            },
            each: Vec::new(),
        });
    } else {
        checked.note(setting, &words);
    }
}

fn in_words(found: Slope, name: &str) -> String {
    let digits = if found.slope.abs() < 0.1 && found.most.abs() < 1.0 { 5 } else { 1 };
    let half = (found.most - found.least) / 2.0;
    format!("{:.digits$} ± {half:.digits$} {name} a connection", found.slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(limit: f64, per_connection: f64, noise: f64) -> Checked {
        let points = (0..16).map(|at| {
            let x = f64::from(at) * 1000.0;
            (x, x * per_connection + if at % 2 == 0 { noise } else { -noise })
        });
        let mut checked = Checked::new(Check::Slope);
        judge(&Measure { name: "bytes of memory".into(), limit, points: points.collect() }, "", &mut checked);
        checked
    }

    #[test]
    fn a_leak_is_what_is_not_surely_below_the_limit() {
        assert_eq!(measure(BYTES, 3.0, 1000.0).findings.len(), 0);
        assert_eq!(measure(BYTES, 840.0, 0.0).findings[0].fault.bytes, 840 * 15_000);
        assert_eq!(measure(BYTES, 3.0, 1_000_000.0).findings.len(), 1, "nothing is known, which is not clean");
        assert_eq!(measure(COUNT, 0.0, 0.0).findings.len(), 0);
        assert_eq!(measure(COUNT, 0.01, 0.0).findings[0].fault.blocks, 150);
    }

    #[test]
    fn one_step_in_few_rounds_is_looked_at_for_longer() {
        let stepped = |rounds: u32| {
            let points = (0..rounds).map(|at| (f64::from(at) * 680.0, if at < 6 { 0.0 } else { 250_000.0 }));
            Measure { name: "bytes of memory".into(), limit: BYTES, points: points.collect() }
        };
        let found = slope(&stepped(12).points).expect("enough rounds");
        assert!(found.least > BYTES, "it looks like a slope: {found:?}");
        assert!(!stepped(12).is_surely_clean());
    }

    #[test]
    fn the_kernels_own_word_is_read() {
        assert_eq!(private_dirty("Rss: 9 kB\nPrivate_Clean:  4 kB\nPrivate_Dirty:      12 kB\n"), Some(12288.0));
        assert_eq!(private_dirty("Rss: 9 kB\n"), None);
    }
}
