//! `cargo xtask gen-deploy`: what it writes is checked by the real nginx and systemd, and served through; what it must not write, it refuses.

mod installed;
mod other;
mod refused;
mod served;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inkwire_tests::server::xtask;
use inkwire_tests::tools::root;
use tempfile::TempDir;

/// Descriptions that differ in everything that changes the files.
const VARIANTS: &[(&str, &[&str])] = &[
    ("defaults", &[]),
    ("path", &["--path", "/draw/", "--email", "ada@example.org", "--hsts", "365"]),
    ("tcp", &["--port", "8081", "--user", "ink", "--data", "/srv/ink", "--backups", "/srv/ink-backups"]),
    ("plain", &["--tls", "off", "--http-port", "8080", "--host", "localhost", "--allow-local", "--port", "8081"]),
    (
        "files",
        &[
            "--tls",
            "files",
            "--certificate",
            "/etc/ssl/a.pem",
            "--certificate-key",
            "/etc/ssl/a.key",
            "--https-port",
            "8443",
        ],
    ),
    (
        "proxied",
        &["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1", "--allow-origin", "https://blog.example.org"],
    ),
    ("new", &["--nginx-version", "1.27", "--systemd-version", "257", "--name", "ink-two", "--ping-interval", "60"]),
];

fn gen_deploy(arguments: &[&str]) -> Output {
    Command::new(xtask()).arg("gen-deploy").args(arguments).current_dir(root()).output().unwrap()
}

/// A folder with the files of a description.
fn written(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = gen_deploy(&[&["--out", folder.path().to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// All files below a folder, by their paths from it.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                all.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// The arguments of the server in a folder's unit, with its boards in another place.
fn server_arguments(folder: &Path, data: &Path) -> Vec<String> {
    let unit = std::fs::read_to_string(folder.join("systemd/inkwire.service")).unwrap();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/inkwire ")).unwrap();
    let data = data.display().to_string();
    command.split(' ').map(|word| if word.starts_with("/var/lib/") { data.clone() } else { word.into() }).collect()
}

#[test]
fn what_is_committed_is_what_the_defaults_write() {
    let output = gen_deploy(&["--check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_variant_is_as_it_was() {
    for (name, arguments) in VARIANTS {
        let folder = written(arguments);
        let texts = files(folder.path()).into_iter().map(|(path, text)| format!("==== {path}\n{text}"));
        insta::assert_snapshot!(format!("deploy_{name}"), texts.collect::<String>());
    }
}

#[test]
fn the_same_description_gives_the_same_files_from_flags_and_from_a_file() {
    let by_flags = written(&["--host", "a.example", "--path", "/draw", "--trusted-proxy", "10.0.0.1"]);
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("deploy.toml");
    std::fs::write(&config, "host = 'b.example'\npath = '/draw/'\ntrusted-proxy = ['10.0.0.1']\n").unwrap();
    // What is typed stands above what is in the file.
    let by_file = written(&["--config", config.to_str().unwrap(), "--host", "a.example"]);
    assert_eq!(files(by_flags.path()), files(by_file.path()));
}

#[test]
fn a_difference_is_shown_and_a_second_run_writes_nothing() {
    let folder = written(&[]);
    let out = folder.path().to_str().unwrap();
    let again = gen_deploy(&["--out", out]);
    assert!(String::from_utf8_lossy(&again.stdout).starts_with("gen-deploy: 0 of "), "{again:?}");
    let site = folder.path().join("nginx/inkwire.conf");
    std::fs::write(&site, std::fs::read_to_string(&site).unwrap().replace("gzip on;", "gzip off;")).unwrap();
    std::fs::remove_file(folder.path().join("INSTALL.md")).unwrap();
    let check = gen_deploy(&["--out", out, "--check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1));
    assert!(said.contains("-    gzip off;\n+    gzip on;\n") && said.contains("INSTALL.md"), "{said}");
    assert!(gen_deploy(&["--out", out]).status.success());
    assert!(gen_deploy(&["--out", out, "--check"]).status.success());
}

#[test]
fn files_can_be_listed_and_printed() {
    let list = String::from_utf8(gen_deploy(&["--list"]).stdout).unwrap();
    assert!(list.contains("systemd/inkwire.service\n"), "{list}");
    for name in list.lines() {
        let printed = gen_deploy(&["--print", name]).stdout;
        assert!(printed == std::fs::read(root().join("deploy").join(name)).unwrap(), "{name}");
    }
}
