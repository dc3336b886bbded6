//! The complete Autobahn test suite against the echo service: the committed results, no better and no worse.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use inkwire::site::Echo;
use inkwire::ws::{Server as Listening, Settings};
use inkwire_tests::server::Server;
use inkwire_tests::tools::{are_there, root};
use serde_json::{Value, json};

/// Cases whose messages are above the limit of the real server.
const LARGE: &[&str] = &[
    "9.1.2", "9.1.3", "9.1.4", "9.1.5", "9.1.6", "9.2.2", "9.2.3", "9.2.4", "9.2.5", "9.2.6", "9.3.*", "9.4.*",
    "9.5.*", "9.6.*",
];

type Results = BTreeMap<String, String>;

/// Runs the suite's fuzzing client; its own exit code says nothing.
fn fuzz(url: &str, exclude: &[&str]) -> Results {
    let folder = tempfile::tempdir().unwrap();
    let plan = json!({
        "outdir": folder.path().join("reports"),
        "servers": [{ "agent": "inkwire", "url": url }],
        "cases": ["*"],
        "exclude-cases": exclude,
        "exclude-agent-cases": {},
    });
    std::fs::write(folder.path().join("plan.json"), plan.to_string()).unwrap();
    let wstest = root().join("tests/autobahn/venv/bin/wstest");
    let mut command = Command::new(wstest);
    command.args(["-m", "fuzzingclient", "-s", "plan.json"]).current_dir(folder.path());
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("wstest runs").success());
    let index = std::fs::read_to_string(folder.path().join("reports/index.json")).expect("the suite wrote its results");
    let index: Value = serde_json::from_str(&index).unwrap();
    let cases = index["inkwire"].as_object().expect("results of one agent");
    let text = |value: &Value| value.as_str().expect("a result").to_owned();
    let result = |it: &Value| match (text(&it["behavior"]), text(&it["behaviorClose"])) {
        (behaviour, close) if behaviour == close || behaviour == "UNIMPLEMENTED" => behaviour,
        (behaviour, close) => format!("{behaviour}, close {close}"),
    };
    cases.iter().map(|(case, it)| (case.clone(), result(it))).collect()
}

/// One line a case, in the order of the suite.
fn lines(results: &Results) -> String {
    let mut all: Vec<_> = results.iter().collect();
    all.sort_by_key(|(case, _)| case.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>());
    all.into_iter().map(|(case, result)| format!("{case} {result}\n")).collect()
}

fn is_installed() -> bool {
    // Without a CPython 2.7 the suite cannot be had at all; `cargo xtask test` says so in its last line.
    let cannot_be = std::env::var_os("INKWIRE_WITHOUT_AUTOBAHN").is_some();
    let wstest = root().join("tests/autobahn/venv/bin/wstest");
    !cannot_be && are_there("the conformance tests", &[&wstest as &Path])
}

#[test]
fn the_echo_service_has_the_committed_results_of_the_whole_suite() {
    if is_installed() {
        const LIMIT: usize = 17 * 1024 * 1024;
        let settings = Settings { max_message: LIMIT, max_outgoing: 2 * LIMIT, ..Settings::default() };
        let server = Listening::bind("127.0.0.1:0").unwrap().settings(settings);
        let url = server.url();
        std::thread::spawn(move || server.run(Echo));
        let results = fuzz(&url, &[]);
        assert!(
            results.values().all(|result| !result.contains("FAILED") && !result.contains("UNCLEAN")),
            "{results:?}"
        );
        insta::assert_snapshot!("autobahn", lines(&results));
    }
}

#[test]
fn the_real_server_has_the_same_results_within_its_limits() {
    if is_installed() {
        let server = Server::start(&["--log", "off"]);
        let without: Vec<&str> = LARGE.iter().copied().chain(["12.*", "13.*"]).collect();
        let results = fuzz(&format!("ws://{}/echo", server.address), &without);
        assert!(
            results.values().all(|result| !result.contains("FAILED") && !result.contains("UNCLEAN")),
            "{results:?}"
        );
        insta::assert_snapshot!("autobahn_production", lines(&results));
        assert_eq!(server.metric("inkwire_panics_total"), 0.0);
    }
}
