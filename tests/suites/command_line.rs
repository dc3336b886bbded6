//! The command line of `inkwire`: help, exit codes, and one line where something fails.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use inkwire_tests::client::Client;
use inkwire_tests::patience::PATIENCE;
use inkwire_tests::server::{Server, binary};

fn inkwire() -> Command {
    let mut command = Command::new(binary());
    command
        .timeout(PATIENCE)
        .env_remove("INKWIRE_LISTEN")
        .env("INKWIRE_DATA", ":memory:")
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1");
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_says_what_there_is() {
    let (code, help, _) = output(inkwire().env_remove("INKWIRE_DATA").arg("--help"));
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("help", help);
}

#[test]
fn wrong_usage_exits_2() {
    for wrong in [
        &["--listen", "nonsense"][..],
        &["--listen", "unix:relative"],
        &["--base-path", "no-slash"],
        &["--base-path", "/../"],
        &["--allow-origin", "evil"],
        &["--public-url", "draw.example.org"],
        &["--ping-interval", "0"],
        &["--ping-interval", "soon"],
        &["--max-connections", "0"],
        &["--workers", "0"],
        &["--data", ""],
        &["--log", "loud"],
        &["--nonsense"],
        &["nonsense"],
    ] {
        let (code, _, error) = output(inkwire().args(wrong));
        assert_eq!(code, Some(2), "{wrong:?}: {error}");
        assert!(error.starts_with("error: "), "{wrong:?}: {error}");
    }
    let (code, _, _) = output(inkwire().env("INKWIRE_LISTEN", "nonsense"));
    assert_eq!(code, Some(2), "flags are also environment variables");
}

#[test]
fn what_fails_is_one_line_and_exits_1() {
    let taken = Server::start(&[]);
    for (address, why) in [
        (taken.address.as_str(), "cannot listen on"),
        ("no.such.host.invalid:80", "cannot listen on no.such.host.invalid:80"),
        ("unix:/no/such/folder/socket", "cannot listen on unix:/no/such/folder/socket"),
        ("systemd", "no socket was passed on"),
    ] {
        let (code, _, error) = output(inkwire().args(["--listen", address, "--log", "off"]));
        assert_eq!(code, Some(1), "{address}: {error}");
        assert!(error.starts_with("inkwire: ") && error.contains(why) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn files_that_others_may_read_are_refused_where_they_are_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let (token, data) = (folder.path().join("token"), folder.path().join("data"));
    std::fs::write(&token, "operators-own-token\n").unwrap();
    std::fs::create_dir(&data).unwrap();
    let allow = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--private-files", "refuse", "--log", "off"];
    for (token_mode, data_mode, wrong) in [(0o644, 0o700, &token), (0o600, 0o755, &data)] {
        allow(&token, token_mode);
        allow(&data, data_mode);
        let mut serve = inkwire();
        serve.args(flags).arg("--admin-token-file").arg(&token).arg("--data").arg(&data);
        let (code, _, error) = output(&mut serve);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&format!("chmod go= {}", wrong.display())) && error.lines().count() == 1, "{error}");
    }
    allow(&data, 0o700);
    let (token, data) = (token.display().to_string(), data.display().to_string());
    let private = [&flags[2..], &["--admin-token-file", &token, "--data", &data]].concat();
    assert!(Server::start(&private).stop().success());
}

#[test]
fn completions_and_the_manual_page_are_made_from_the_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, _) = output(inkwire().args(["completions", shell]));
        assert_eq!(code, Some(0));
        assert!(script.contains("allow-origin"));
    }
    let (_, page, _) = output(inkwire().arg("man"));
    assert!(page.contains("max\\-connections"));
}

#[test]
fn a_unix_socket_is_served_and_removed() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ink.sock");
    let server = Server::start(&["--listen", &format!("unix:{}", path.display())]);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "));
    assert!(server.stop().success());
    assert!(!path.exists());
}

#[test]
fn an_inherited_socket_is_served_and_readiness_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let notify = std::os::unix::net::UnixDatagram::bind(folder.path().join("notify")).unwrap();
    notify.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // As systemd does it (sd_listen_fds(3)): the socket is descriptor 3 of the process that LISTEN_PID names.
    let script = r#"
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], [sys.argv[1], "--listen", "systemd"])
"#;
    let mut command = std::process::Command::new("python3");
    command
        .args(["-c", script])
        .arg(binary())
        .env("INKWIRE_DATA", ":memory:")
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .env("WATCHDOG_USEC", "100000");
    let server = Server::spawn(&mut command);
    let mut state = [0; 64];
    let length = notify.recv(&mut state).unwrap();
    assert_eq!(&state[..length], b"READY=1");
    for _ in 0..3 {
        let length = notify.recv(&mut state).unwrap();
        assert_eq!(&state[..length], b"WATCHDOG=1", "sd_watchdog_enabled(3)");
    }
    Client::join(&server.address, "x", "ada").round_trip();
    assert!(server.stop().success());
}

#[test]
fn a_server_can_be_asked_whether_it_is_ready() {
    let server = Server::start(&["--base-path", "/draw/"]);
    let ask = |url: &str| std::process::Command::new(binary()).args(["health", url]).output().unwrap();
    let ready = ask(&format!("http://{}/draw/readyz", server.address));
    assert!(ready.status.success() && ready.stdout.is_empty() && ready.stderr.is_empty(), "{ready:?}");
    let address = &server.address;
    for (url, says) in [
        (format!("http://{address}/draw/nothing"), "answers \"HTTP/1.1 404 Not Found\""),
        ("http://127.0.0.1:1".into(), "does not answer"),
        (format!("https://{address}/"), "an address is written http://HOST:PORT/PATH"),
        ("http://nowhere/".into(), "is no HOST:PORT"),
        (format!("http://{address}/x\r\nX: y"), "holds a blank or a control character"),
    ] {
        let output = ask(&url);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(says), "{url}: {said}");
    }
}
