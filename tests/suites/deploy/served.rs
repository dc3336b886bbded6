//! Through a real nginx, with the files as they are written: pages, boards, limits, headers, reloads, restarts, TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::wait_until;
use inkwire_tests::raw::{Raw, client_frame, handshake};
use inkwire_tests::server::{Server, binary, free_port, get, inspector};
use inkwire_tests::tools::are_there;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{VARIANTS, files, server_arguments, written};

/// nginx with the files of a deployment, as an ordinary process.
pub(super) struct Nginx {
    child: Child,
    _folder: TempDir,
}

pub(super) fn nginx_is_there() -> bool {
    are_there("deploy", &[Path::new("/usr/sbin/nginx")])
}

/// Puts the files where nginx finds them: its own folder in place of /etc/nginx, and certificates that are there.
pub(super) fn install(folder: &Path, name: &str, certificates: Option<&Path>) {
    for (path, text) in files(&folder.join("nginx")) {
        if let Some(with) = certificates {
            let own = text.lines().map(|line| match line.trim().split_once(' ') {
                Some(("ssl_certificate", _)) => format!("ssl_certificate {}/a.pem;\n", with.display()),
                Some(("ssl_certificate_key", _)) => format!("ssl_certificate_key {}/a.key;\n", with.display()),
                _ => format!("{line}\n"),
            });
            std::fs::write(folder.join("nginx").join(path), own.collect::<String>()).unwrap();
        }
    }
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let here = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|kind| format!("{kind}_temp_path {here}/{kind};\n")).collect();
    let whole = format!(
        "daemon off;\n{user}\npid {here}/nginx.pid;\nerror_log {here}/error.log;\nworker_processes 1;\ninclude {name}-main.conf;\n\
         events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{temporary}include {name}.conf;\n}}\n"
    );
    std::fs::write(folder.join("nginx/nginx.conf"), whole).unwrap();
}

pub(super) fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]).arg(folder.join("nginx/nginx.conf"));
    command
}

/// A certificate for a host, and its key, as `a.pem` and `a.key`.
pub(super) fn certify(folder: &Path, host: &str) {
    let certified = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    std::fs::write(folder.join("a.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.join("a.key"), certified.signing_key.serialize_pem()).unwrap();
}

impl Nginx {
    pub(super) fn start(folder: TempDir, port: u16) -> Self {
        let child = nginx(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let nginx = Self { child, _folder: folder };
        wait_until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        nginx
    }

    fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    fn workers(&self) -> Vec<String> {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Quickly, with its workers; SIGKILL would leave them.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A site behind nginx, on loopback and without TLS.
struct Site {
    nginx: Nginx,
    server: Server,
    command: Vec<String>,
    /// `HOST:PORT` of nginx.
    address: String,
    path: &'static str,
}

impl Site {
    fn start(path: &'static str, more: &[&str]) -> Self {
        let (public, own) = (free_port().to_string(), free_port().to_string());
        let usual = ["--tls", "off", "--host", "localhost", "--allow-local", "--http-port", &public, "--port", &own];
        let folder = written(&[&usual[..], &["--path", path], more].concat());
        install(folder.path(), "inkwire", None);
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let command = server_arguments(folder.path(), &data);
        let server = Server::spawn(Command::new(binary()).args(&command));
        let nginx = Nginx::start(folder, public.parse().unwrap());
        Self { nginx, server, command, address: format!("127.0.0.1:{public}"), path }
    }

    /// Where a client connects, with the path.
    fn boards(&self) -> String {
        format!("{}{}", self.address, self.path.trim_end_matches('/'))
    }

    fn get(&self, path: &str) -> String {
        get(&self.address, &format!("{}{path}", self.path.trim_end_matches('/')))
    }
}

#[test]
fn nginx_takes_every_variant() {
    if !nginx_is_there() {
        return;
    }
    let certificates = TempDir::new().unwrap();
    certify(certificates.path(), "draw.example.org");
    for (name, arguments) in VARIANTS.iter().filter(|(name, _)| *name != "new") {
        let folder = written(arguments);
        install(folder.path(), "inkwire", Some(certificates.path()));
        for first in [false, true] {
            if first && !folder.path().join("nginx/inkwire-first.conf").exists() {
                continue;
            }
            if first {
                std::fs::copy(folder.path().join("nginx/inkwire-first.conf"), folder.path().join("nginx/inkwire.conf"))
                    .unwrap();
            }
            let output = nginx(folder.path()).arg("-t").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("[warn]"), "{name}: {said}");
        }
    }
}

#[test]
fn people_draw_together_through_nginx_at_the_root_and_below_a_path() {
    if !nginx_is_there() {
        return;
    }
    for path in ["/", "/draw/"] {
        let site = Site::start(path, &[]);
        let page = site.get("/b/x");
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("../static/js/main.js"), "{path}: {page}");
        assert!(site.get("/static/js/main.js").starts_with("HTTP/1.1 200 "));
        assert!(site.get("/metrics").starts_with("HTTP/1.1 404 "), "only the machine itself sees them");
        if path != "/" {
            assert!(get(&site.address, "/draw").contains("\r\nLocation: /draw/\r\n"));
            assert!(get(&site.address, "/elsewhere").starts_with("HTTP/1.1 404 "));
        }
        let mut ada = Client::join(&site.boards(), "x", "ada");
        let mut bob = Client::join(&site.boards(), "x", "bob");
        ada.does(text("through nginx")).unwrap();
        bob.wait_for_seq(1);
        assert_eq!(ada.session.board().hash(), bob.session.board().hash());
    }
}

#[test]
fn every_reply_has_its_headers_once_also_nginx_s_own() {
    if !nginx_is_there() {
        return;
    }
    let site = Site::start("/draw/", &["--max-per-address", "1"]);
    let _held = Client::join(&site.boards(), "x", "ada");
    let mut refused = Raw::connect(&site.address);
    refused.send(handshake("/draw/ws/x", "localhost", "").as_bytes());
    let replies =
        [site.get("/b/x"), site.get("/nothing"), get(&site.address, "/"), get(&site.address, "/draw"), refused.head()];
    assert!(replies[4].starts_with("HTTP/1.1 429 "), "{}", replies[4]);
    for reply in replies {
        let head = reply.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert_eq!(head.matches(header).count(), 1, "{header} in {head}");
        }
        assert!(!head.contains("nginx/"), "its version is nobody's business: {head}");
    }
}

#[test]
fn a_file_that_a_browser_has_is_not_sent_again_also_compressed() {
    if !nginx_is_there() {
        return;
    }
    let site = Site::start("/", &[]);
    let ask = |more: &str| {
        let mut raw = Raw::connect(&site.address);
        raw.send(
            format!("GET /static/js/main.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").as_bytes(),
        );
        let head = raw.head();
        (head, raw.rest())
    };
    for encoding in ["", "Accept-Encoding: gzip\r\n"] {
        let (head, body) = ask(encoding);
        assert!(head.starts_with("HTTP/1.1 200 ") && !body.is_empty());
        let is_packed = head.to_ascii_lowercase().contains("content-encoding: gzip");
        assert_eq!(is_packed, !encoding.is_empty(), "{head}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_else(|| panic!("{head}"));
        let (again, body) = ask(&format!("{encoding}If-None-Match: {tag}\r\n"));
        assert!(again.starts_with("HTTP/1.1 304 ") && body.is_empty(), "{again}");
    }
}

#[test]
fn a_silent_board_outlives_the_time_outs_of_the_proxy() {
    if !nginx_is_there() {
        return;
    }
    // The proxy gives up after nine seconds of silence; the server asks after three. Less would fail where the machine is busy.
    let site = Site::start("/", &["--ping-interval", "3"]);
    let mut ada = Client::join(&site.boards(), "x", "ada");
    assert!(ada.listen(Duration::from_secs(20)), "it is still connected");
    ada.does(text("still here")).unwrap();
}

#[test]
fn one_address_has_so_many_connections_and_no_more_until_one_ends() {
    if !nginx_is_there() {
        return;
    }
    let site = Site::start("/", &["--max-per-address", "3"]);
    let mut members: Vec<Client> =
        (0..3).map(|at| Client::join(&site.boards(), "x", &format!("member {at}"))).collect();
    let mut fourth = Client::away(&site.boards(), "x", "the fourth");
    assert!(!fourth.try_connect(&site.boards()), "429 is no handshake");
    members.remove(0).leave();
    wait_until("there is room again", || fourth.try_connect(&site.boards()));
}

#[test]
fn what_a_client_says_of_its_address_is_overwritten() {
    if !nginx_is_there() {
        return;
    }
    let own = free_port().to_string();
    let public = free_port().to_string();
    let usual = ["--tls", "off", "--host", "localhost", "--allow-local", "--http-port", &public, "--port", &own];
    let ask = |more: &[&str]| {
        let folder = written(&[&usual[..], more].concat());
        install(folder.path(), "inkwire", None);
        let _nginx = Nginx::start(folder, public.parse().unwrap());
        // In place of the server, somebody who writes down what comes.
        let listener = TcpListener::bind(format!("127.0.0.1:{own}")).unwrap();
        let mut raw = Raw::connect(&format!("127.0.0.1:{public}"));
        let forged =
            "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Host: evil\r\n";
        raw.send(format!("GET /b/x%2Fy HTTP/1.1\r\nHost: evil.example\r\n{forged}\r\n").as_bytes());
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    };
    let head = ask(&[]);
    assert!(head.starts_with("GET /b/x%2Fy HTTP/1.1\r\n"), "the path is passed as it came: {head}");
    assert!(head.contains("X-Forwarded-For: 127.0.0.1\r\n") && head.contains("X-Real-IP: 127.0.0.1\r\n"), "{head}");
    assert!(head.contains(&format!("Host: localhost:{public}\r\n")), "{head}");
    assert!(!head.contains("6.6.6.6") && !head.contains("evil"), "{head}");
    // Only a proxy that is trusted is believed.
    assert!(ask(&["--trusted-proxy", "127.0.0.1"]).contains("X-Forwarded-For: 6.6.6.6\r\n"));
}

#[test]
fn nginx_reloads_and_the_server_restarts_while_people_draw_and_nothing_is_lost() {
    if !nginx_is_there() {
        return;
    }
    let mut site = Site::start("/", &[]);
    let mut ada = Client::join(&site.boards(), "x", "ada");
    let before = site.nginx.workers();
    site.nginx.reload();
    wait_until("a new worker is there", || site.nginx.workers().iter().any(|worker| !before.contains(worker)));
    ada.does(text("on the old worker")).unwrap();
    let mut bob = Client::join(&site.boards(), "x", "bob");
    bob.wait_for_seq(1);
    // A restart, as an upgrade makes it.
    let command = site.command.clone();
    let old = std::mem::replace(
        &mut site.server,
        Server::spawn(Command::new(binary()).args(["serve", "--listen", "127.0.0.1:0", "--data", ":memory:"])),
    );
    assert!(old.stop().success());
    assert_eq!(ada.wait_for_close(), 1012, "come back");
    ada.submit(text("while the server is away"));
    site.server = Server::spawn(Command::new(binary()).args(&command));
    wait_until("nginx finds the new server", || ada.try_connect(&site.boards()));
    ada.wait("all of it is there", |ada| ada.session.pending().is_empty() && ada.session.board().seq() == 2);
}

#[test]
fn tls_is_spoken_and_plain_http_is_sent_there() {
    if !nginx_is_there() {
        return;
    }
    let certificates = TempDir::new().unwrap();
    certify(certificates.path(), "draw.example.org");
    let at = |name: &str| certificates.path().join(name).display().to_string();
    let (plain, secure, own) = (free_port(), free_port(), free_port());
    let ports = [plain, secure, own].map(|port| port.to_string());
    let folder = written(&[
        "--tls",
        "files",
        "--certificate",
        "/etc/ssl/a.pem",
        "--certificate-key",
        "/etc/ssl/a.key",
        "--hsts",
        "30",
        "--http-port",
        &ports[0],
        "--https-port",
        &ports[1],
        "--port",
        &ports[2],
    ]);
    install(folder.path(), "inkwire", Some(certificates.path()));
    let _nginx = Nginx::start(folder, plain);
    let listen = format!("127.0.0.1:{own}");
    let known = format!("https://draw.example.org:{secure}");
    let _server =
        Server::start(&["--listen", &listen, "--public-url", &known, "--allow-origin", "https://draw.example.org"]);
    let redirect = get(&format!("127.0.0.1:{plain}"), "/b/x?y=1");
    assert!(redirect.starts_with("HTTP/1.1 308 "), "{redirect}");
    assert!(redirect.contains(&format!("Location: https://draw.example.org:{secure}/b/x?y=1\r\n")), "{redirect}");
    // A member by TLS, whom the certificate convinces.
    let mut inspect = Command::new(inspector());
    inspect.args(["connect", &format!("wss://draw.example.org:{secure}/ws/x"), "--cacert", &at("a.pem")]);
    inspect.args(["--resolve", &format!("draw.example.org:{secure}:127.0.0.1"), "--subprotocol", "inkwire.v1.json"]);
    inspect.args(["-H", "Origin: https://draw.example.org", "--count", "1", "--handshake", "-x"]);
    let hello = r##"[{"type":"hello","clientId":"00112233445566778899aabbccddeeff","epoch":"0000000000000000","seq":0,"name":"S","colour":"#e03231ff"}]"##;
    let output = inspect.arg(hello).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("welcome"), "{said}");
    assert!(said.to_ascii_lowercase().contains("strict-transport-security: max-age=2592000"), "{said}");
}

#[test]
fn a_frame_is_passed_on_bit_for_bit() {
    if !nginx_is_there() {
        return;
    }
    let site = Site::start("/", &[]);
    let mut raw = Raw::upgrade(&site.address, "/ws/x", "Sec-WebSocket-Protocol: inkwire.v1\r\n");
    raw.send(&client_frame(0x89, b"ping"));
    let pong = raw.frame().expect("a pong");
    assert_eq!((pong.opcode(), &pong.payload[..]), (0xa, &b"ping"[..]));
}
