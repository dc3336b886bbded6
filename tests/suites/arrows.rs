//! The imports of the Rust code: between the folders of the server only downwards, between files never in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use inkwire_tests::tools::root;

use super::tidy;

/// The modules of a crate, from the lowest to the highest, and those that each may import: only modules above it in the table.
type Arrows = &'static [(&'static str, &'static [&'static str])];

const SERVER: Arrows = &[
    ("descriptors", &[]),
    ("exit", &[]),
    ("health", &[]),
    ("http", &[]),
    ("log", &[]),
    ("metrics", &[]),
    ("notify", &[]),
    ("private", &[]),
    ("random", &[]),
    ("name", &["random"]),
    ("net", &["log"]),
    ("in_flight", &["metrics", "net"]),
    ("ws", &["http", "metrics", "net"]),
    ("storage", &["log", "metrics", "name", "notify", "random"]),
    ("rooms", &["in_flight", "log", "metrics", "name", "net", "random", "storage", "ws"]),
    ("export", &["storage"]),
    ("client", &["export", "name", "random"]),
    ("site", &["http", "in_flight", "log", "metrics", "name", "net", "random", "rooms", "ws"]),
    ("operate", &["export", "http", "metrics", "name", "net", "rooms", "storage", "ws"]),
    ("cli", &["client", "http", "net", "operate", "private", "rooms", "site", "storage", "ws"]),
    (
        "serve",
        &[
            "cli",
            "descriptors",
            "http",
            "log",
            "metrics",
            "net",
            "notify",
            "operate",
            "private",
            "rooms",
            "site",
            "storage",
            "ws",
        ],
    ),
];

/// The library, and the binary on top of it.
const INSPECTOR: Arrows = &[
    ("hex", &[]),
    ("frame", &[]),
    ("handshake", &["frame"]),
    ("tap", &["frame", "handshake"]),
    ("formats", &["frame", "handshake", "hex", "tap"]),
    ("script", &["formats", "frame", "handshake", "hex", "tap"]),
    ("view", &["formats", "frame", "handshake", "hex", "tap"]),
    ("failure", &[]),
    ("flags", &[]),
    ("io", &["failure", "flags"]),
    ("commands", &["failure", "flags", "io"]),
    ("cli", &["commands"]),
];

/// One family: a handle, the hub that it publishes to and the service that is called with it know each other.
const FAMILY: &[&str] = &["ws/handle.rs", "ws/hub.rs", "ws/service.rs"];

/// A file of the code, by its path below the folder of a crate.
type Files = BTreeMap<PathBuf, String>;

fn files(folder: &Path) -> Files {
    let all = tidy::files(folder, "rs").into_iter();
    all.map(|path| (path.strip_prefix(folder).unwrap().to_owned(), code(&tidy::text(&path)))).collect()
}

/// The text of a file without its comments and its unit tests.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").or(text.find("#[cfg(test)]\npub(crate) mod tests"));
    let lines = text[..end.unwrap_or(text.len())].lines();
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The paths behind a prefix such as `crate::`, each as its first two names.
fn paths(text: &str, prefix: &str) -> Vec<Vec<String>> {
    let starts = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
    starts.flat_map(|rest| if rest.starts_with('{') { items(rest) } else { vec![rest.to_owned()] }).map(names).collect()
}

/// The items of a list in braces, as far as the first level.
fn items(text: &str) -> Vec<String> {
    let (mut depth, mut found) = (0, vec![String::new()]);
    for letter in text.chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match letter {
            _ if depth == 0 => break,
            ',' if depth == 1 => found.push(String::new()),
            _ => found.last_mut().expect("one at least").push(letter),
        }
    }
    found.into_iter().map(|item| item.trim_start_matches(['{', ' ', '\n']).to_owned()).collect()
}

fn names(path: String) -> Vec<String> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    path.split("::").take(2).map(|name| name.chars().take_while(|letter| is_name(*letter)).collect()).collect()
}

/// The file of a module in a folder.
fn module(files: &Files, folder: &Path, name: &str) -> Option<PathBuf> {
    let places = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    places.into_iter().find(|place| files.contains_key(place))
}

/// The files that each file imports.
fn imports(files: &Files) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let of = |path: &PathBuf, text: &String| {
        let folder = path.parent().unwrap();
        let is_root = path.file_name().is_some_and(|name| name == "mod.rs");
        let above = if is_root { folder.parent().unwrap_or(folder) } else { folder };
        let bases = [("super::", above), ("crate::", Path::new(""))];
        let all =
            bases.into_iter().flat_map(|(prefix, base)| paths(text, prefix).into_iter().map(move |path| (base, path)));
        let found = all.filter_map(|(base, names)| {
            let within = names.get(1).and_then(|name| module(files, &base.join(&names[0]), name));
            within.or_else(|| module(files, base, &names[0]))
        });
        found.filter(|target| target != path).collect()
    };
    files.iter().map(|(path, text)| (path.clone(), of(path, text))).collect()
}

/// Whether there is a way from one file to another.
fn leads(imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>, from: &Path, to: &Path) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(path) = next.pop() {
        for target in imports.get(&path).into_iter().flatten() {
            if target == to {
                return true;
            }
            if seen.insert(target.clone()) {
                next.push(target.clone());
            }
        }
    }
    false
}

fn assert_downwards(folder: &str, arrows: Arrows) {
    for (at, (name, allowed)) in arrows.iter().enumerate() {
        let is_below = |other: &&&str| arrows[..at].iter().any(|(below, _)| below == *other);
        assert_eq!(allowed.iter().find(|other| !is_below(other)), None, "{name} is above what it may import");
    }
    for (path, text) in files(&root().join(folder)) {
        let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let name = first.trim_end_matches(".rs");
        if matches!(name, "lib" | "main") {
            continue;
        }
        let (_, allowed) =
            arrows.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} has no row"));
        for target in paths(&text, "crate::").into_iter().map(|names| names[0].clone()) {
            let is_module = arrows.iter().any(|(known, _)| *known == target);
            let is_allowed = !is_module || target == name || allowed.contains(&target.as_str());
            assert!(is_allowed, "{} imports {target}", path.display());
        }
    }
}

#[test]
fn the_folders_of_the_server_and_of_the_inspector_import_only_those_below_them() {
    assert_downwards("server/src", SERVER);
    assert_downwards("wsinspect/src", INSPECTOR);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let crates = [
        "server/src",
        "server/board/src",
        "server/room/src",
        "server/protocol/src",
        "wsinspect/src",
        "xtask/src",
        "tests/src",
    ];
    for folder in crates {
        let files = files(&root().join(folder));
        let imports = imports(&files);
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 3, "{folder}: imports are found");
        for path in files.keys().filter(|path| !FAMILY.contains(&&*path.to_string_lossy())) {
            assert!(!leads(&imports, path, path), "{folder}: {} imports itself by others", path.display());
        }
    }
}
