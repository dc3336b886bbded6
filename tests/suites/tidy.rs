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

/// The imports of each module of the page, by its folder or file. A module without a row may import anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("protocol/", &["protocol/"]),
    ("board/", &["board/", "protocol/"]),
    ("session.js", &["board/", "protocol/"]),
    ("viewport.js", &["protocol/"]),
    ("ink.js", &[]),
    ("geometry.js", &[]),
    ("shape.js", &["geometry.js"]),
    ("sha256.js", &[]),
    ("imagesize.js", &[]),
    ("svgsize.js", &[]),
    ("storage.js", &[]),
    ("words/", &[]),
    ("grid.js", &["geometry.js"]),
    ("cut.js", &["ink.js"]),
    ("arrange.js", &["geometry.js", "protocol/"]),
    ("select.js", &["board/", "geometry.js", "ink.js", "protocol/", "shape.js"]),
    ("svg.js", &["geometry.js", "ink.js", "shape.js"]),
    ("place.js", &["viewport.js"]),
    ("language.js", &["words/", "storage.js"]),
    ("painter.js", &["board/", "geometry.js", "ink.js", "shape.js"]),
    ("tiles.js", &["board/", "painter.js"]),
    ("stage.js", &["board/", "painter.js", "tiles.js", "grid.js", "geometry.js"]),
    ("minimap.js", &["geometry.js", "theme.js"]),
    ("laser.js", &[]),
    ("drafts.js", &["tools/shapes.js"]),
    ("timeline.js", &[]),
    ("timelapse.js", &["board/", "geometry.js", "svg.js"]),
    (
        "replay.js",
        &[
            "board/",
            "boards.js",
            "hosting.js",
            "identity.js",
            "language.js",
            "protocol/",
            "timelapse.js",
            "timeline.js",
        ],
    ),
    ("door.js", &["language.js"]),
    ("network.js", &["language.js"]),
    ("reactions.js", &["language.js", "people.js", "protocol/"]),
    ("hosting.js", &["identity.js", "language.js", "place.js"]),
    ("selection.js", &["geometry.js", "theme.js"]),
    ("pictures.js", &["imagesize.js", "sha256.js", "svgsize.js", "protocol/"]),
    ("editing.js", &["arrange.js", "board/", "geometry.js", "select.js", "shape.js", "tools/look.js"]),
    ("writing.js", &["board/", "commands.js", "geometry.js", "painter.js", "protocol/", "shape.js", "tools/look.js"]),
    ("connection.js", &["dial.js", "protocol/"]),
    ("dial.js", &["protocol/"]),
    ("arrival.js", &["dial.js", "identity.js", "outbox.js", "place.js", "protocol/"]),
    ("outbox.js", &[]),
    ("recall.js", &["offline.js"]),
    ("courier.js", &["connection.js", "session.js"]),
    ("pointers.js", &[]),
    ("wheel.js", &[]),
    ("tools/", &["tools/", "board/", "protocol/", "geometry.js", "shape.js", "select.js", "cut.js"]),
];

/// Names that only modules with a DOM, a socket or a clock may say.
const IMPURE: &[&str] =
    &["document", "window", "navigator", "WebSocket", "setTimeout", "Date", "performance", "localStorage"];
const PURE: &[&str] = &[
    "protocol/",
    "board/",
    "session.js",
    "viewport.js",
    "ink.js",
    "geometry.js",
    "shape.js",
    "svg.js",
    "grid.js",
    "cut.js",
    "arrange.js",
    "select.js",
    "place.js",
    "sha256.js",
    "imagesize.js",
    "svgsize.js",
    "commands.js",
    "timeline.js",
    "timelapse.js",
    "tools/",
];

#[test]
fn the_arrows_of_the_page_point_one_way() {
    let base = root().join("static/js");
    for path in files(&base, "js") {
        let name = path.strip_prefix(&base).unwrap().to_string_lossy().into_owned();
        let source = text(&path);
        if let Some((_, allowed)) = ARROWS.iter().find(|(place, _)| name.starts_with(place)) {
            for import in imports(&source) {
                let target = path.parent().unwrap().join(&import).components().collect::<PathBuf>();
                let target = normal(&target).strip_prefix(&base).unwrap().to_string_lossy().into_owned();
                assert!(allowed.iter().any(|place| target.starts_with(place)), "{name} imports {target}");
            }
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
