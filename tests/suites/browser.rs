//! The page: its units in Node, and the whole of it in Chromium, with no error on its console.

use std::path::Path;
use std::process::Command;

use inkwire_tests::server::{binary, inspector};
use inkwire_tests::tools::{are_there, on_path, root};

/// Runs those tests of a folder whose file's name is meant, by Node's own runner.
fn node(folder: &str, is_meant: impl Fn(&str) -> bool, timeout_seconds: u32) {
    let files = std::fs::read_dir(root().join("tests").join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tests: Vec<_> = files.filter(|path| name(path).ends_with(".test.mjs") && is_meant(&name(path))).collect();
    assert!(!tests.is_empty(), "tests/{folder} has lost its tests");
    let output = Command::new("node")
        .arg("--test")
        .arg("--test-concurrency=1")
        .arg(format!("--test-timeout={}", timeout_seconds * 1000))
        .args(tests)
        .current_dir(root().join("tests"))
        .env("INKWIRE_BIN", binary())
        .env("WSINSPECT_BIN", inspector())
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_units_of_the_page_work() {
    if are_there("the page's unit tests", &[&on_path("node")]) {
        node("unit", |_| true, 60);
    }
}

#[test]
fn the_types_that_the_page_states_hold() {
    let compiler = root().join("tests/node_modules/typescript/bin/tsc");
    if are_there("the page's types", &[&on_path("node"), &compiler]) {
        let output =
            Command::new("node").arg(compiler).args(["--project", "."]).current_dir(root().join("tests")).output();
        let output = output.expect("node runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The file whose test spends a minute offline; it has a thread of its own, so that others go on meanwhile.
const KEPT: &str = "kept.test.mjs";

#[test]
fn people_draw_together_in_a_real_browser() {
    in_chromium(|name| name != KEPT);
}

#[test]
fn what_is_drawn_is_kept_in_a_real_browser() {
    in_chromium(|name| name == KEPT);
}

fn in_chromium(is_meant: impl Fn(&str) -> bool) {
    let playwright = root().join("tests/node_modules/playwright-core");
    let chromium = Path::new("/usr/bin/chromium");
    if are_there("the browser tests", &[&on_path("node"), chromium, &playwright]) {
        node("browser", is_meant, 300);
    }
}
