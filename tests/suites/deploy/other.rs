//! Other eyes and other servers: gixy on every site, Caddy in nginx's place, two sites beside each other, a socket that outlives its server.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::wait_until;
use inkwire_tests::raw::Raw;
use inkwire_tests::server::{Server, binary, free_port, get};
use inkwire_tests::tools::{are_there, root};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::served::{Nginx, certify, install, nginx, nginx_is_there};
use super::{VARIANTS, files, gen_deploy, server_arguments, written};

#[test]
fn gixy_finds_nothing_in_any_site() {
    let gixy = root().join("target/tools/gixy/bin/gixy");
    if !are_there("deploy", &[&gixy]) {
        return;
    }
    for (name, arguments) in VARIANTS {
        let folder = written(arguments);
        let site = if *name == "new" { "ink-two" } else { "inkwire" };
        install(folder.path(), site, None);
        let mut command = Command::new(&gixy);
        if !arguments.contains(&"--hsts") {
            // It cannot be taken back, so whoever hosts the site asks for it.
            command.args(["--skips", "hsts_header"]);
        }
        let output = command.arg(folder.path().join("nginx/nginx.conf")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("No issues found"), "{name}: {said}");
    }
}

#[test]
fn two_sites_live_beside_each_other() {
    if !nginx_is_there() {
        return;
    }
    let certificates = TempDir::new().unwrap();
    certify(certificates.path(), "a.example");
    let folder = written(&["--name", "ink-a", "--host", "a.example"]);
    let out = folder.path().to_str().unwrap();
    let second = gen_deploy(&[
        "--out",
        out,
        "--name",
        "ink-b",
        "--host",
        "b.example",
        "--path",
        "/draw/",
        "--metrics-port",
        "9182",
    ]);
    assert!(second.status.success());
    assert!(String::from_utf8_lossy(&second.stdout).contains("nginx/ink-a.conf is of another deployment"));
    install(folder.path(), "ink-a", Some(certificates.path()));
    let whole = folder.path().join("nginx/nginx.conf");
    let both = std::fs::read_to_string(&whole)
        .unwrap()
        .replace("include ink-a.conf;", "include ink-a.conf; include ink-b.conf;");
    std::fs::write(&whole, both).unwrap();
    let output = nginx(folder.path()).arg("-t").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("[warn]"), "{said}");
}

#[test]
fn caddy_takes_every_variant_as_it_formats_it_itself() {
    if !are_there("deploy", &[Path::new("/usr/bin/caddy")]) {
        return;
    }
    let certificates = TempDir::new().unwrap();
    certify(certificates.path(), "draw.example.org");
    for (name, arguments) in VARIANTS {
        let folder = written(arguments);
        let path = folder.path().join("caddy/Caddyfile");
        let formatted = Command::new("caddy").arg("fmt").arg(&path).output().unwrap();
        assert!(
            formatted.stdout == std::fs::read(&path).unwrap(),
            "{name}: {}",
            String::from_utf8_lossy(&formatted.stdout)
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let own = text.replace("/etc/ssl/", &format!("{}/", certificates.path().display()));
        std::fs::write(&path, own).unwrap();
        let mut command = Command::new("caddy");
        command.args(["validate", "--adapter", "caddyfile", "--config"]).arg(&path).env("HOME", folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // A certificate that the test has made has nobody to ask whether it still holds.
        let warns = |line: &str| line.contains("\"level\":\"warn\"") && !line.contains("stapling OCSP");
        assert!(output.status.success() && !said.lines().any(warns), "{name}: {said}");
    }
}

#[test]
fn people_draw_together_through_caddy() {
    if !are_there("deploy", &[Path::new("/usr/bin/caddy")]) {
        return;
    }
    let (public, own) = (free_port().to_string(), free_port().to_string());
    let usual = ["--tls", "off", "--host", "draw.localhost", "--allow-local", "--path", "/draw/"];
    let folder = written(&[&usual[..], &["--http-port", &public, "--port", &own]].concat());
    let path = folder.path().join("caddy/Caddyfile");
    // No other host name is needed for clients that ask by address, nor an administrator's port.
    let written = std::fs::read_to_string(&path).unwrap();
    let site = written.replace(&format!("http://draw.localhost:{public}"), &format!("http://127.0.0.1:{public}"));
    std::fs::write(&path, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}")).unwrap();
    let _server = Server::start(&["--listen", &format!("127.0.0.1:{own}"), "--base-path", "/draw/"]);
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&path).env("HOME", folder.path());
    let _caddy = Caddy(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_until("caddy listens", || std::net::TcpStream::connect(format!("127.0.0.1:{public}")).is_ok());
    let address = format!("127.0.0.1:{public}");
    assert!(get(&address, "/draw/b/x").contains("../static/js/main.js"));
    assert!(get(&address, "/draw").starts_with("HTTP/1.1 308 "));
    assert!(get(&address, "/draw/metrics").starts_with("HTTP/1.1 404 "));
    assert!(get(&address, "/elsewhere").starts_with("HTTP/1.1 404 "));
    let boards = format!("{address}/draw");
    let (mut ada, mut bob) = (Client::join(&boards, "x", "ada"), Client::join(&boards, "x", "bob"));
    ada.does(text("through caddy")).unwrap();
    bob.wait_for_seq(1);
}

/// It ends with the test, however that ends.
struct Caddy(std::process::Child);

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on a socket that somebody else holds, as systemd does: descriptor 3.
fn on_socket(socket: &UnixListener, words: &[String]) -> std::process::Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"", "sh"])
        .arg(binary())
        .args(words);
    command.stdin(OwnedFd::from(socket.try_clone().unwrap())).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn a_restart_behind_a_socket_of_systemd_s_refuses_nobody() {
    if !nginx_is_there() {
        return;
    }
    let public = free_port();
    let metrics = free_port();
    let ports = [public, metrics].map(|port| port.to_string());
    let usual = ["--tls", "off", "--host", "localhost", "--allow-local"];
    let folder = written(&[&usual[..], &["--http-port", &ports[0], "--metrics-port", &ports[1]]].concat());
    let socket = folder.path().join("inkwire.sock");
    for (path, text) in files(folder.path()) {
        std::fs::write(folder.path().join(path), text.replace("/run/inkwire.sock", socket.to_str().unwrap())).unwrap();
    }
    let listener = UnixListener::bind(&socket).unwrap();
    install(folder.path(), "inkwire", None);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let words = server_arguments(folder.path(), &data);
    let _nginx = Nginx::start(folder, public);
    let address = format!("127.0.0.1:{public}");
    let is_over = AtomicBool::new(false);
    let mut server = on_socket(&listener, &words);
    let answered: usize = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut answered = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        let mut raw = Raw::connect(&address);
                        raw.send(b"GET /b/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                        let head = raw.head();
                        assert!(head.starts_with("HTTP/1.1 200 "), "{head:?}");
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        for _ in 0..5 {
            std::thread::park_timeout(std::time::Duration::from_millis(300));
            kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
            assert!(server.wait().unwrap().success());
            server = on_socket(&listener, &words);
        }
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        is_over.store(true, Ordering::Relaxed);
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    });
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    server.wait().unwrap();
    assert!(answered > 100, "{answered} were answered");
    let mut server = on_socket(&listener, &words);
    let told = get(&format!("127.0.0.1:{metrics}"), "/metrics");
    assert!(told.contains("inkwire_tasks 1"), "this machine's Prometheus is told: {told}");
    assert!(get(&address, "/metrics").starts_with("HTTP/1.1 404 "), "and nobody else");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    server.wait().unwrap();
}

#[test]
fn the_backup_that_the_timer_makes_is_whole_and_can_be_restored() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let server = Server::start(&["--data", &at("data"), "--listen", "127.0.0.1:0"]);
    let mut ada = Client::join(&server.address, "kept", "ada");
    ada.does(text("kept")).unwrap();
    ada.wait("it is on disk", |ada| ada.session.mark() >= 1);
    let deployed = written(&[]);
    let unit = std::fs::read_to_string(deployed.path().join("systemd/backup/inkwire-backup.service")).unwrap();
    let lines: Vec<&str> = unit.lines().filter(|line| line.starts_with("ExecStart")).collect();
    assert_eq!(lines.len(), 3, "{unit}");
    for line in lines {
        let line = line.split_once('=').unwrap().1.trim_start_matches('+');
        // As systemd reads it (systemd.service(5), "Command lines").
        let line = line.replace("$$", "$").replace("%%", "%").replace("/usr/bin/inkwire", binary().to_str().unwrap());
        let line = line.replace("/var/backups/inkwire", &at("backups")).replace("/var/lib/inkwire", &at("data"));
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let made: Vec<PathBuf> = std::fs::read_dir(at("backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let name = made[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(made.len() == 1 && name.starts_with("inkwire-20") && name.ends_with(".sqlite"), "{made:?}");
    assert!(server.stop().success());
    std::fs::create_dir(at("other")).unwrap();
    let restore =
        Command::new(binary()).args(["boards", "restore"]).arg(&made[0]).args(["--data", &at("other")]).output();
    let restore = restore.unwrap();
    assert!(restore.status.success(), "{}", String::from_utf8_lossy(&restore.stderr));
    let server = Server::start(&["--data", &at("other"), "--listen", "127.0.0.1:0"]);
    let mut late = Client::join(&server.address, "kept", "late");
    late.round_trip();
    assert_eq!(late.session.board().seq(), 1);
}
