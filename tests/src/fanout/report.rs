//! What was measured, as a table, as JSON, and against what it is to reach.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::machine::description;
use super::peers::Peer;
use super::plot::plot;
use super::scenario::{Measure, Scenario, Step};

/// Everything that was measured in one run.
#[derive(Debug)]
pub struct Report {
    machine: String,
    rows: Vec<Row>,
    storm: Vec<(Peer, Vec<Step>)>,
}

/// One server in one scenario: what was measured, each time.
#[derive(Debug)]
pub struct Row {
    scenario: Scenario,
    peer: Peer,
    values: Vec<(&'static str, Vec<f64>)>,
}

impl Row {
    /// The median of a value over the rounds.
    fn median(&self, name: &str) -> Option<f64> {
        let (_, values) = self.values.iter().find(|(known, _)| *known == name)?;
        let mut values = values.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// Something that is to be reached, and what was.
struct Target {
    what: &'static str,
    value: f64,
    at_most: f64,
}

impl Report {
    pub(super) fn begin() -> Self {
        Self { machine: description(), rows: Vec::new(), storm: Vec::new() }
    }

    pub(super) fn add(&mut self, scenario: Scenario, peer: Peer, measure: &Measure, steps: &[Step]) {
        let at = self.rows.iter().position(|row| (row.scenario, row.peer) == (scenario, peer)).unwrap_or_else(|| {
            self.rows.push(Row { scenario, peer, values: Vec::new() });
            self.rows.len() - 1
        });
        let values = &mut self.rows[at].values;
        for (name, value) in measure {
            match values.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(*value),
                None => values.push((name, vec![*value])),
            }
        }
        match self.storm.iter_mut().find(|(known, _)| *known == peer) {
            Some((_, known)) => known.extend(steps),
            None if steps.is_empty() => {}
            None => self.storm.push((peer, steps.to_vec())),
        }
    }

    fn scenarios(&self) -> Vec<Scenario> {
        let mut scenarios: Vec<Scenario> = self.rows.iter().map(|row| row.scenario).collect();
        scenarios.dedup();
        scenarios
    }

    fn of(&self, scenario: Scenario) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.scenario == scenario)
    }

    fn value(&self, scenario: Scenario, peer: Peer, name: &str) -> Option<f64> {
        self.of(scenario).find(|row| row.peer == peer)?.median(name)
    }

    /// All tables, in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("# Fan-out, measured\n\n{}\n\n", self.preface());
        for scenario in self.scenarios() {
            let _ = writeln!(out, "## {}\n\n{}", scenario.title(), self.table(scenario));
        }
        let targets = self.targets();
        if !targets.is_empty() {
            out.push_str("## To reach\n\n| what | measured | at most | |\n|---|---|---|---|\n");
        }
        for Target { what, value, at_most } in targets {
            let verdict = if value <= at_most { "reached" } else { "not reached" };
            let _ = writeln!(out, "| {what} | {} | {} | {verdict} |", short(value), short(at_most));
        }
        out
    }

    fn preface(&self) -> String {
        format!(
            "By `cargo xtask bench`, on {}. The server has one core and the generator the other; boards are kept in memory; no \
             compression. Medians of the rounds, in which the servers take turns. Figures are for comparison within a table. `x limit` \
             is the first column beside that of the limit with one write for each delivery, `Inkwire is` ours beside this server's. \
             System calls are counted under strace in a run of their own. Versions: {}.",
            self.machine,
            versions()
        )
    }

    fn table(&self, scenario: Scenario) -> String {
        let names = self.columns(scenario);
        let first = |peer| self.value(scenario, peer, names[0]);
        let mut out = format!(
            "| server | {} | x limit | Inkwire is |\n|---{}|---|---|\n",
            names.join(" | "),
            "|---".repeat(names.len())
        );
        for row in self.of(scenario) {
            let own = row.median(names[0]);
            let cells = names.iter().map(|name| row.median(name).map_or("–".into(), short));
            let ratio = |over: Option<f64>, under: Option<f64>| {
                over.zip(under).map_or("–".into(), |(over, under)| format!("{:.2}x", over / under))
            };
            let cells = cells.chain([ratio(own, first(Peer::Limit)), ratio(first(Peer::Inkwire), own)]);
            let _ = writeln!(out, "| {} | {} |", row.peer.name(), cells.collect::<Vec<_>>().join(" | "));
        }
        out
    }

    fn columns(&self, scenario: Scenario) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for (name, _) in self.of(scenario).flat_map(|row| &row.values) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        names
    }

    /// Everything, with the ratio of each value to that of each other server.
    pub fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let values = row.values.iter().map(|(name, all)| {
                let own = row.median(name).unwrap_or_default();
                let others = self.of(row.scenario).filter(|other| other.peer != row.peer);
                let ratios = others.filter_map(|other| {
                    Some((other.peer.name(), json!(own / other.median(name).filter(|value| *value != 0.0)?)))
                });
                (name.to_string(), json!({ "median": own, "rounds": all, "ratioTo": ratios.collect::<Map<_, _>>() }))
            });
            let values: Map<String, Value> = values.collect();
            json!({ "scenario": row.scenario.title(), "server": row.peer.name(), "values": values })
        });
        let steps = |steps: &[Step]| steps.iter().map(|step| json!([step.rate, step.cost])).collect::<Vec<_>>();
        let storm = self.storm.iter().map(|(peer, all)| (peer.name(), json!(steps(all)))).collect::<Map<_, _>>();
        json!({ "machine": self.machine, "versions": versions(), "rows": rows.collect::<Vec<_>>(), "storm": storm })
    }

    /// Writes `fanout.md`, `fanout.json` and, where there was a storm, `fanout.svg` into a folder.
    ///
    /// # Errors
    /// If the folder takes no files.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("fanout.md"), self.to_markdown())?;
        std::fs::write(folder.join("fanout.json"), format!("{:#}\n", self.to_json()))?;
        if self.storm.is_empty() { Ok(()) } else { std::fs::write(folder.join("fanout.svg"), plot(&self.storm)) }
    }

    fn targets(&self) -> Vec<Target> {
        use Scenario::{Boards, FewBoards, Flood, Hall, Idle, Late, LongLog, Quiet, Room, Storm};
        let own = |scenario, name| self.value(scenario, Peer::Inkwire, name);
        let best = |scenario, name| {
            let values = self.of(scenario).filter(|row| row.peer.is_product() && row.peer.writes_per_delivery());
            values.filter_map(|row| row.median(name)).min_by(f64::total_cmp)
        };
        let over = |over: Option<f64>, under: Option<f64>| Some(over? / under?);
        let (cost, p99, most) = ("µs/delivery", "p99 ms", "largest deliveries/s");
        // The kernel's part grows with the number of sockets as well.
        let beside_limit = |scenario| over(own(scenario, cost), self.value(scenario, Peer::Limit, cost));
        let all = [
            (
                "room: cost beside the best server that writes per delivery",
                over(own(Room, cost), best(Room, cost)),
                0.35,
            ),
            (
                "room: cost beside the limit that merges at the same tick",
                over(own(Room, cost), self.value(Room, Peer::Merging(16), cost)),
                1.3,
            ),
            ("room: p99, ms", own(Room, p99), 18.0),
            ("storm: Bun's largest rate beside ours", over(self.value(Storm, Peer::Bun, most), own(Storm, most)), 0.2),
            (
                "storm: fastwebsockets' largest rate beside ours",
                over(self.value(Storm, Peer::Fastwebsockets, most), own(Storm, most)),
                0.02,
            ),
            ("quiet: p50 beside the limit", over(own(Quiet, "p50 ms"), self.value(Quiet, Peer::Limit, "p50 ms")), 1.3),
            ("hall: p99, ms", own(Hall, p99), 20.0),
            ("idle: KiB a connection", own(Idle, "KiB/connection"), 3.0),
            ("late: the last of a hundred has the board after, ms", own(Late, "joined last ms"), 1000.0),
            (
                "late: p99 of those who draw while a hundred join, beside that before",
                over(own(Late, "p99 ms meanwhile"), own(Late, "p99 ms among drawers before")),
                2.0,
            ),
            ("flood: p99 of another member, ms", own(Flood, p99), 50.0),
            (
                "cost on 1,000 boards beside 10, each beside the limit's",
                over(beside_limit(Boards), beside_limit(FewBoards)),
                1.1,
            ),
            ("cost behind a log of 200,000 beside none", over(own(LongLog, cost), own(Room, cost)), 1.1),
        ];
        all.into_iter().filter_map(|(what, value, at_most)| Some(Target { what, value: value?, at_most })).collect()
    }
}

/// Three digits are all that a noisy machine has to say.
fn short(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{:.1} M", value / 1e6),
        1e4.. => format!("{:.0} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn versions() -> String {
    let lock = std::fs::read_to_string(crate::tools::root().join("tests/peers/Cargo.lock")).unwrap_or_default();
    let package = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    let node = Command::new("node")
        .arg("--version")
        .output()
        .ok()
        .map(|out| format!("Node {}", String::from_utf8_lossy(&out.stdout).trim()));
    let npm = std::fs::read_to_string(crate::tools::root().join("tests/peers/package.json")).unwrap_or_default();
    let npm: Value = serde_json::from_str(&npm).unwrap_or_default();
    let from_npm = |name: &str| Some(format!("{name} {}", npm["devDependencies"][name].as_str()?));
    let all = [
        package("fastwebsockets"),
        package("tokio-tungstenite"),
        package("tokio"),
        from_npm("ws"),
        node,
        from_npm("bun"),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
