//! `cargo xtask leakcheck` on servers of one's own: what it finds, what it refuses, and that nothing that went wrong reads as clean. That
//! its checks find what they are for is the self-test's, which `cargo xtask test` runs, as it runs them on the product.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output};

use inkwire_tests::server::{binary, xtask};
use inkwire_tests::tools::{are_there, root};
use serde_json::Value;
use tempfile::TempDir;

const LEAK: i32 = 3;
const MEMORY: i32 = 4;
const TOOL: i32 = 5;
const SERVER: i32 = 6;
const TRAFFIC: i32 = 7;

fn faulty() -> PathBuf {
    binary().with_file_name("faulty")
}

/// A round of the fixture's own traffic.
fn traffic() -> String {
    format!("'{}' traffic", faulty().display())
}

fn leakcheck(arguments: &[&str]) -> Command {
    let mut command = Command::new(xtask());
    command.arg("leakcheck").args(arguments).current_dir(root());
    command
}

/// The command on the fixture, with a fault.
fn on_faulty(fault: &str, arguments: &[&str]) -> Output {
    let (faulty, traffic) = (faulty(), traffic());
    let mut command = leakcheck(arguments);
    command.arg("--bin").arg(faulty).args(["--quick", "--traffic", &traffic, "--", "serve", "--fault", fault]);
    command.output().unwrap()
}

/// The command on a shell script as the server.
fn on_script(script: &str, traffic: &str, arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("server");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    leakcheck(arguments).arg("--bin").arg(path).args(["--patience", "2", "--traffic", traffic]).output().unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && said.contains(says), "{}, {says:?} not in: {said}", output.status);
}

fn valgrind_is_there() -> bool {
    are_there("leakcheck", &[&PathBuf::from("/usr/bin/valgrind")])
}

#[test]
fn a_leak_is_told_with_its_line_its_size_and_its_stack() {
    if !valgrind_is_there() {
        return;
    }
    let output = on_faulty("map", &["growth", "memcheck", "--json"]);
    assert_eq!(output.status.code(), Some(LEAK), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit"], LEAK);
    let [growth, memcheck] = &document["checks"].as_array().unwrap()[..] else { panic!("{document}") };
    assert_eq!((&growth["outcome"], &memcheck["outcome"]), (&"faults".into(), &"clean".into()), "it is reachable");
    let found = &growth["findings"][0];
    assert_eq!(
        (&found["file"], &found["rounds"]),
        (&"tests/faulty/src/main.rs".into(), &serde_json::json!([20, 20, 20, 20]))
    );
    assert_eq!(found["bytes"], 80 * 800);
    assert!(found["stack"].as_array().unwrap().len() > 3);
}

#[test]
fn a_memory_error_has_a_code_of_its_own_and_can_be_an_annotation() {
    if !valgrind_is_there() {
        return;
    }
    let output = on_faulty("overrun", &["memcheck", "--annotate"]);
    ends(&output, MEMORY, "::error file=tests/faulty/src/main.rs,line=");
    ends(&output, MEMORY, "invalid write");
}

#[test]
fn what_is_borne_with_must_be_needed_and_have_a_reason() {
    let file = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    };
    let bears_with = |fault: &str, text: &str| {
        let file = file(text);
        on_faulty(fault, &["growth", "--suppressions", file.path().to_str().unwrap()])
    };
    let known = "# The map is meant to keep them.\ngrowth faulty::forget_an_entry\n";
    ends(&bears_with("none", "growth malloc\n"), 2, "there is no comment above it that says why");
    if valgrind_is_there() {
        ends(&bears_with("map", known), 0, "clean");
        ends(&bears_with("none", known), 0, "clean");
        let file = file(known);
        let mut full = leakcheck(&["growth", "--suppressions", file.path().to_str().unwrap(), "--bin"]);
        let output = full.arg(faulty()).args(["--traffic", &traffic(), "--", "serve"]).output().unwrap();
        ends(&output, 1, "line 2 is not needed any more");
    }
}

#[test]
fn a_tool_that_is_missing_is_skipped_with_what_to_type_and_is_a_failure_where_somebody_insists() {
    let bare = TempDir::new().unwrap();
    symlink("/bin/sh", bare.path().join("sh")).unwrap();
    let (faulty, traffic) = (faulty(), traffic());
    let run = |more: &[&str]| {
        let mut command = leakcheck(more);
        command.arg("--bin").arg(&faulty).args(["--quick", "--traffic", &traffic, "--", "serve"]);
        command.env("PATH", bare.path()).env_remove("RUSTC").output().unwrap()
    };
    let all = run(&[]);
    ends(&all, 0, "growth    SKIPPED         0       0.0  valgrind is missing; type: apt-get install valgrind");
    ends(&all, 0, "slope     clean");
    ends(&run(&["growth"]), TOOL, "FAILED");
    ends(&run(&["slope", "--require", "growth"]), TOOL, "valgrind is missing");
    let doctor = leakcheck(&["--doctor", "--require", "memcheck"]).env("PATH", bare.path()).output().unwrap();
    ends(&doctor, TOOL, "memcheck  is skipped: valgrind is missing; type: apt-get install valgrind");
}

#[test]
fn a_server_that_does_not_serve_is_no_clean_server() {
    let slope = &["slope"][..];
    ends(
        &on_script("echo no luck >&2; exit 4", "true", slope),
        SERVER,
        "ended before it was ready: exit status: 4; no luck",
    );
    ends(&on_script("exec sleep 30", "true", slope), SERVER, "did not get ready within 2 s");
    let ready = "echo at http://127.0.0.1:1/; exec sleep 30";
    ends(&on_script(ready, "kill -9 $LEAKCHECK_PID; exit 1", slope), SERVER, "ended under its traffic: signal: 9");
    let stubborn = "trap '' TERM; echo at http://127.0.0.1:1/; while :; do sleep 1; done";
    ends(&on_script(stubborn, "echo connections 1", slope), SERVER, "did not stop within 2 s of SIGTERM");
    ends(&on_script(ready, "echo connections 1", slope), SERVER, "did not stop cleanly: signal: 15");
    let output = leakcheck(&["slope", "--bin", "/no/such/server", "--traffic", "true"]).output().unwrap();
    ends(&output, SERVER, "/no/such/server could not be started");
}

#[test]
fn traffic_that_did_not_do_what_it_should_is_no_clean_run() {
    let ready = "echo at http://127.0.0.1:1/; exec sleep 30";
    ends(&on_script(ready, "echo nobody answers >&2; exit 9", &["slope"]), TRAFFIC, "(exit status: 9): nobody answers");
    ends(&on_script(ready, "true", &["slope"]), TRAFFIC, "made no connection");
    ends(&on_script(ready, "echo connections 0", &["slope"]), TRAFFIC, "made no connection");
}

#[test]
fn a_report_that_was_cut_by_a_kill_is_no_clean_report() {
    if !valgrind_is_there() {
        return;
    }
    let traffic = format!("{} && test $LEAKCHECK_ROUND -lt 2 || {{ kill -9 $LEAKCHECK_PID; exit 1; }}", traffic());
    let mut command = leakcheck(&["growth", "memcheck", "--quick", "--bin"]);
    let output = command.arg(faulty()).args(["--traffic", &traffic, "--", "serve"]).output().unwrap();
    ends(&output, SERVER, "signal: 9");
    ends(&output, SERVER, "memcheck  FAILED");
}

#[test]
fn a_valgrind_that_cannot_be_asked_is_a_tool_that_does_not_work() {
    if !valgrind_is_there() {
        return;
    }
    let shims = TempDir::new().unwrap();
    let vgdb = shims.path().join("vgdb");
    std::fs::write(&vgdb, "#!/bin/sh\necho 'error: ptrace: Operation not permitted' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&vgdb, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", shims.path().display(), std::env::var("PATH").unwrap());
    let mut command = leakcheck(&["growth", "--quick", "--bin"]);
    let output =
        command.arg(faulty()).args(["--traffic", &traffic(), "--", "serve"]).env("PATH", path).output().unwrap();
    ends(&output, TOOL, "vgdb was not answered");
    ends(&output, TOOL, "ptrace: Operation not permitted");
}

#[test]
fn what_is_typed_wrong_is_told() {
    for (arguments, says) in [
        (&["grwth"][..], "invalid value 'grwth'"),
        (&["grwth"], "growth"),
        (&["--bin", "x"], "--traffic <COMMAND>"),
        (&["--require", "everything"], "invalid value 'everything'"),
        (&["--suppressions", "/no/such/file"], "/no/such/file cannot be read"),
    ] {
        ends(&leakcheck(arguments).output().unwrap(), 2, says);
    }
    let output = leakcheck(&["asan", "--bin", "/bin/true", "--traffic", "true"]).output().unwrap();
    ends(&output, TOOL, "asan needs a build of its own");
}
