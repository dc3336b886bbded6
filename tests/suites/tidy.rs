//! The house rules that a test can hold: first lines, forbidden words, and the arrows of the page's modules.

use std::path::{Path, PathBuf};

use inkwire_tests::tools::root;

pub(super) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let skipped = ["target", "node_modules", "venv", ".git"];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() && !skipped.contains(&name.as_str()) {
            found.extend(files(&entry, ending));
        } else if entry.extension().is_some_and(|it| it == ending) {
            found.push(entry);
        }
    }
    found
}

pub(super) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_file_says_in_its_first_line_what_it_is_for() {
    for (ending, mark) in [("rs", "//! "), ("js", "// "), ("mjs", "// ")] {
        let all = files(&root(), ending);
        assert!(all.len() > 5, "{ending}");
        for path in all {
            assert!(text(&path).starts_with(mark), "{} begins without a sentence", path.display());
        }
    }
}

#[test]
fn no_file_is_called_what_says_nothing() {
    for path in files(&root(), "rs").into_iter().chain(files(&root(), "js")) {
        let stem = path.file_stem().unwrap().to_string_lossy().to_lowercase();
        assert!(
            !["util", "utils", "helper", "helpers", "manager", "common", "misc"].contains(&stem.as_str()),
            "{stem}"
        );
    }
}

#[test]
fn tests_wait_for_conditions_and_never_sleep() {
    for path in files(&root().join("tests"), "rs") {
        let sleeps = ["thread::", "sleep("].concat();
        assert!(!text(&path).contains(&sleeps), "{} sleeps", path.display());
    }
}

/// Lines that a file of a shipped crate has at most without its unit tests, and a function.
const FILE: usize = 600;
const FUNCTION: usize = 60;

/// Those that are longer, and why. One that is shorter again is to be taken off this list.
const LONG: &[(&str, &str)] = &[
    ("server/protocol/examples/vectors.rs", "a table"),
    ("server/protocol/src/message.rs", "a table"),
    ("server/protocol/src/binary/server.rs", "a table"),
    ("xtask/src/deploy/render.rs", "a table"),
    ("xtask/src/deploy/value.rs", "a table"),
];

#[test]
fn no_file_and_no_function_is_long() {
    let crates = ["server", "wsinspect/src", "xtask/src"].map(|folder| files(&root().join(folder), "rs"));
    let mut long = std::collections::BTreeSet::new();
    for path in crates.concat() {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let text = text(&path);
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        if name.contains("/tests/") || name.contains("/fuzz/") {
            continue;
        }
        let longest = functions(code).max().unwrap_or(0);
        if code.lines().count() > FILE || longest > FUNCTION {
            println!("{name}: {} lines, a function of {longest}", code.lines().count());
            long.insert(name);
        }
    }
    let listed = LONG.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(long, listed);
}

/// The lines of each function, as rustfmt writes them: it ends at a brace that stands as far in as it begins.
fn functions(code: &str) -> impl Iterator<Item = usize> {
    let lines: Vec<&str> = code.lines().collect();
    let is_function = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "fn").collect();
        let begins = words.iter().all(|word| word.starts_with("pub") || ["const", "async", "in"].contains(word));
        line.contains("fn ") && begins && line.trim_end().ends_with(['{', '(', '>'])
    };
    let length = move |at: usize| {
        let indent = lines[at].len() - lines[at].trim_start().len();
        let end = format!("{}}}", " ".repeat(indent));
        lines[at..].iter().position(|line| *line == end).map_or(0, |end| end + 1)
    };
    let starts: Vec<usize> = code.lines().enumerate().filter(|(_, line)| is_function(line)).map(|(at, _)| at).collect();
    starts.into_iter().map(length)
}

/// Crates that know no socket, clock, lock, thread or disk, and words that would say otherwise.
const PURE_CRATES: &[&str] = &["server/protocol/src", "server/board/src", "server/room/src", "server/frame/src"];
const IMPURE_WORDS: &[&str] =
    &["Mutex", "SystemTime", "Instant::now", "TcpStream", "std::fs", "std::thread", "std::io"];

#[test]
fn pure_crates_know_no_socket_clock_lock_thread_or_disk() {
    for path in PURE_CRATES.iter().flat_map(|folder| files(&root().join(folder), "rs")) {
        let text = text(&path);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let is_test = path.ends_with("src/tests.rs");
        for (line, word) in lines.flat_map(|line| IMPURE_WORDS.iter().map(move |word| (line, word))) {
            assert!(is_test || !line.contains(word), "{}: {line}", path.display());
        }
    }
}

/// The imports of each folder of the page, which may import itself too; what starts a page stands on top of all.
const ARROWS: &[(&str, &[&str])] = &[
    ("words/", &[]),
    ("protocol/", &[]),
    ("board/", &["protocol/"]),
    ("plane/", &["board/", "protocol/"]),
    ("device/", &["protocol/"]),
    ("state/", &["device/", "plane/", "words/"]),
    ("session/", &["board/", "device/", "plane/", "protocol/", "state/"]),
    ("canvas/", &["board/", "device/", "plane/", "state/"]),
    ("input/", &["state/"]),
    ("tools/", &["board/", "canvas/", "device/", "input/", "plane/", "protocol/", "state/"]),
    ("files/", &["board/", "canvas/", "plane/", "protocol/", "tools/"]),
    ("panels/", &["board/", "device/", "files/", "input/", "plane/", "protocol/", "session/", "state/", "tools/"]),
    ("arrival.js", &["device/", "plane/", "protocol/", "session/"]),
    ("start.js", &["device/", "state/"]),
    (
        "main.js",
        &["arrival.js", "canvas/", "device/", "files/", "input/", "panels/", "plane/", "session/", "state/", "tools/"],
    ),
];

/// Names that only modules with a DOM, a socket or a clock may say.
const IMPURE: &[&str] =
    &["document", "window", "navigator", "WebSocket", "setTimeout", "Date", "performance", "localStorage"];
const PURE: &[&str] = &[
    "protocol/",
    "board/",
    "plane/",
    "session/session.js",
    "state/facts.js",
    "input/commands.js",
    "files/svg.js",
    "files/sha256.js",
    "files/imagesize.js",
    "files/svgsize.js",
    "files/timelapse.js",
    "tools/editing.js",
    "tools/eraser.js",
    "tools/hand.js",
    "tools/highlighter.js",
    "tools/image.js",
    "tools/laser.js",
    "tools/look.js",
    "tools/pen.js",
    "tools/select.js",
    "tools/shapes.js",
    "tools/stroke.js",
    "tools/text.js",
    "tools/tools.js",
];

#[test]
fn the_arrows_of_the_page_point_one_way() {
    for (at, (place, allowed)) in ARROWS.iter().enumerate() {
        let is_below = |other: &&str| ARROWS[..at].iter().any(|(below, _)| below == other);
        assert!(allowed.iter().all(is_below), "{place} imports only those above it in the table");
    }
    let base = root().join("static/js");
    for path in files(&base, "js") {
        let name = path.strip_prefix(&base).unwrap().to_string_lossy().into_owned();
        let source = text(&path);
        let row = ARROWS.iter().find(|(place, _)| name.starts_with(place));
        let (own, allowed) = row.unwrap_or_else(|| panic!("{name} has no row"));
        for import in imports(&source) {
            let target = path.parent().unwrap().join(&import).components().collect::<PathBuf>();
            let target = normal(&target).strip_prefix(&base).unwrap().to_string_lossy().into_owned();
            assert!(
                [own].into_iter().chain(*allowed).any(|place| target.starts_with(place)),
                "{name} imports {target}"
            );
        }
        if PURE.iter().any(|place| name.starts_with(place)) {
            for word in words(&source) {
                assert!(!IMPURE.contains(&word), "{name} says {word}");
            }
        }
    }
}

fn imports(source: &str) -> Vec<String> {
    let lines =
        source.lines().filter(|line| ["import ", "} from ", "export { "].iter().any(|word| line.starts_with(word)));
    lines.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect()
}

/// The words of the code, without comments.
fn words(source: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &&str| ["//", "*", "/*"].iter().any(|mark| line.trim_start().starts_with(mark));
    let code = source.lines().filter(move |line| !is_comment(line));
    code.flat_map(|line| line.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}
