//! The systemd units: what systemd itself says of them, and the server under their restrictions.

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inkwire_tests::patience::wait_until;
use inkwire_tests::server::binary;
use inkwire_tests::tools::{are_there, root, skipped};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{VARIANTS, files, server_arguments, written};

fn systemd_is_there() -> bool {
    are_there("deploy", &[Path::new("/usr/bin/systemd-analyze")])
}

/// The units of a variant, with an executable that is there, as `verify` wants it.
fn units(arguments: &[&str]) -> (TempDir, Vec<String>) {
    let folder = written(arguments);
    let mut all = Vec::new();
    for (path, text) in files(folder.path()).into_iter().filter(|(path, _)| path.starts_with("systemd/")) {
        if [".service", ".socket", ".timer"].iter().any(|kind| path.ends_with(kind)) {
            let path = folder.path().join(path).display().to_string();
            std::fs::write(&path, text.replace("/usr/bin/inkwire", binary().to_str().unwrap())).unwrap();
            all.push(path);
        }
    }
    (folder, all)
}

#[test]
fn systemd_has_nothing_to_say_against_any_unit() {
    if !systemd_is_there() {
        return;
    }
    for (name, arguments) in VARIANTS {
        let (_folder, units) = units(arguments);
        assert!(units.len() >= 3, "{name}: {units:?}");
        let output = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(said.is_empty() && output.status.success(), "{name}: {}", String::from_utf8_lossy(&said));
    }
}

/// The server's exposure, as `systemd-analyze security` counts it.
fn exposure(arguments: &[&str]) -> f64 {
    let (_folder, units) = units(arguments);
    let service = units.iter().find(|unit| unit.ends_with(".service") && !unit.contains("backup")).unwrap();
    let output =
        Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", service]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let level = said.lines().find_map(|line| line.split_once("Overall exposure level for ")?.1.split(' ').nth(1));
    level.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
}

#[test]
fn the_service_is_exposed_as_little_as_can_be() {
    if !systemd_is_there() {
        return;
    }
    let (activated, tcp) = (exposure(&[]), exposure(&["--port", "8081"]));
    assert!(activated <= 0.5, "with a socket of systemd's: {activated}");
    assert!(tcp <= 1.2, "on TCP: {tcp}");
}

/// The words of a command in a file, where it has the executable in it.
fn commands(text: &str, executable: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with("ExecStart=") && line.contains(executable));
    lines.map(|line| line.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()).collect()
}

#[test]
fn every_flag_in_a_file_is_one_that_the_server_has() {
    let help = |arguments: &[&str]| {
        let output = Command::new(binary()).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (serve, backup) = (help(&["serve"]), help(&["boards", "backup"]));
    let mut seen = 0;
    for (name, arguments) in VARIANTS {
        for (path, text) in files(written(arguments).path()) {
            let mut words: Vec<String> = commands(&text, "inkwire").concat();
            if path.ends_with("Dockerfile") {
                let line = text.lines().find(|line| line.starts_with("CMD [")).unwrap();
                words.extend(line.split('"').map(str::to_owned));
            }
            let known = if path.contains("backup") { &backup } else { &serve };
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                // One with a value, or one that is only said.
                let is_known = |after: char| known.contains(&format!(" {flag}{after}"));
                assert!(known.contains(&format!(" {flag} <")) || is_known('\n'), "{name}: {path}: {flag}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen} flags were found");
}

/// A server that is started by the stand-in for systemd.
struct Started {
    child: Child,
    folder: TempDir,
    notify: UnixDatagram,
}

impl Started {
    /// With its socket, filter and limits from the unit; as root also with a tree that can only be read, but for its data, and
    /// without a network.
    fn under(deployed: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("unshare");
            let folder = folder.path().display();
            // The folder stays writable, the rest does not: ProtectSystem=strict with a StateDirectory.
            command
                .args(["--mount", "--net", "sh", "-c"])
                .arg(format!("mount --bind {folder} {folder} && mount -o remount,ro,bind / && shift 0 && exec \"$@\""));
            command.arg("sh");
            command
        } else {
            skipped("deploy: only root may make a tree that can only be read; the rest of the unit holds");
            Command::new("env")
        };
        command.arg("python3").arg(root().join("tests/suites/deploy/launch.py"));
        command.arg(deployed.join("systemd/inkwire.service"));
        command.arg(folder.path().join("ink.sock")).arg(binary());
        command.args(server_arguments(deployed, &data));
        command.env("NOTIFY_SOCKET", folder.path().join("notify")).env("WATCHDOG_USEC", "200000");
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, folder, notify }
    }

    #[track_caller]
    fn says(&mut self, state: &str) {
        let mut words = [0; 64];
        match self.notify.recv(&mut words) {
            Ok(length) => assert_eq!(String::from_utf8_lossy(&words[..length]), state),
            Err(error) => {
                let _ = self.child.kill();
                let mut said = String::new();
                std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
                panic!("{state} was not said ({error}): {said}");
            }
        }
    }

    fn ask(&self, path: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(self.folder.path().join("ink.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: draw.example.org\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_server_lives_under_the_restrictions_of_its_unit() {
    if !systemd_is_there() {
        return;
    }
    let folder = written(&[]);
    let mut server = Started::under(folder.path());
    server.says("READY=1");
    server.says("WATCHDOG=1");
    assert!(server.ask("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(server.ask("/b/x").contains("<!doctype html>") || server.ask("/b/x").contains("<!DOCTYPE html>"));
    assert!(server.ask("/readyz").starts_with("HTTP/1.1 200 "), "its disk takes what it writes");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    assert!(status.contains("Seccomp:\t2\n"), "the filter holds: {status}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    assert!(limits.contains("10256                10256"), "{limits}");
    kill_process(Pid::from_child(&server.child), Signal::TERM).unwrap();
    let mut status = None;
    wait_until("it stops", || {
        status = server.child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success());
    assert!(server.folder.path().join("data/boards.sqlite").exists(), "it has written where it may");
}
