//! The operator's API: behind its token, on its own listener, and as its description says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::wait_until;
use inkwire_tests::raw::Raw;
use inkwire_tests::server::{Server, binary, free_port};
use inkwire_tests::tools::{are_there, root};
use serde_json::Value;
use tempfile::TempDir;

const TOKEN: &str = "operators-own-token";

/// A server with the operator's API on a unix socket, which nobody else can have.
struct Operated {
    directory: TempDir,
    server: Server,
}

impl Operated {
    fn start(listen: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        let path = |name: &str| directory.path().join(name).to_str().expect("a path").to_owned();
        std::fs::write(path("token"), format!("{TOKEN}\n")).expect("a file");
        let listen = listen.replace("SOCKET", &path("admin"));
        let (data, token) = (path("data"), path("token"));
        let server = Server::start(&["--data", &data, "--admin", &listen, "--admin-token-file", &token]);
        Self { directory, server }
    }

    fn on_a_socket() -> Self {
        Self::start("unix:SOCKET")
    }

    /// Asks with a token; gives the status and the body.
    fn asks_with(&self, token: &str, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--request", method, "--write-out", "\\n%{http_code}"]);
        curl.arg("--unix-socket").arg(self.directory.path().join("admin"));
        curl.args(["--header", &format!("Authorization: Bearer {token}"), &format!("http://operator{path}")]);
        let output = curl.output().expect("curl runs").stdout;
        let at = output.iter().rposition(|byte| *byte == b'\n').expect("a status");
        let status = String::from_utf8_lossy(&output[at + 1..]).parse().expect("a status");
        (status, output[..at].to_vec())
    }

    #[track_caller]
    fn asks(&self, method: &str, path: &str, expected: u16) -> Value {
        let (status, body) = self.asks_with(TOKEN, method, path);
        assert_eq!(status, expected, "{method} {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }
}

#[test]
fn boards_are_listed_shown_exported_and_deleted_and_members_are_let_go() {
    let operated = Operated::on_a_socket();
    let address = operated.server.address.clone();
    let mut ada = Client::join(&address, "team", "Ada");
    ada.does(text("hello")).expect("she draws");
    ada.wait("it is on the disk", |ada| ada.session.mark() >= 1);
    Client::join(&address, "second", "Bob").does(text("hello")).expect("he draws");
    let board = operated.asks("GET", "/v1/boards/team", 200);
    assert_eq!((&board["seq"], &board["members"], &board["isOpen"]), (&1.into(), &1.into(), &true.into()));
    let listed = operated.asks("GET", "/v1/boards?limit=1&after=second", 200);
    assert_eq!((&listed["boards"][0]["board"], &listed["hasMore"]), (&"team".into(), &false.into()));
    let members = operated.asks("GET", "/v1/boards/team/members", 200);
    assert_eq!((&members["members"][0]["name"], &members["members"][0]["role"]), (&"Ada".into(), &"editor".into()));
    let (status, svg) = operated.asks_with(TOKEN, "GET", "/v1/boards/team/export?format=svg");
    assert!(status == 200 && svg.starts_with(b"<svg"));
    let (status, png) = operated.asks_with(TOKEN, "GET", "/v1/boards/team/export?format=png");
    assert!(status == 200 && png.starts_with(b"\x89PNG"));
    operated.asks("DELETE", &format!("/v1/boards/team/members/{}", ada.session.author()), 200);
    let audit = operated.asks("GET", "/v1/boards/team/audit", 200);
    let said = ["who", "what", "whom"].map(|part| audit["records"][0][part].as_str().unwrap_or_default().to_owned());
    assert_eq!(said, ["operator", "remove", "Ada"]);
    assert_eq!(ada.wait_for_close(), 4003);
    ada.connect(&address);
    operated.asks("DELETE", "/v1/boards/team", 200);
    assert_eq!(ada.wait_for_close(), 4001);
    operated.asks("GET", "/v1/boards/team/audit", 404);
    assert_eq!(operated.asks("GET", "/v1/limits", 200)["members"], 1000);
}

#[test]
fn a_board_with_a_host_and_no_ink_is_one_and_so_is_one_that_somebody_looks_at() {
    let operated = Operated::on_a_socket();
    let address = operated.server.address.clone();
    let mut ada = Client::join_by(&address, "hosted", "Ada", inkwire_protocol::Token([7; 16]));
    ada.wait("she is its host", |ada| ada.rights() == Some((inkwire_protocol::Role::Host, true)));
    let mut bob = Client::join(&address, "open", "Bob");
    let listed = operated.asks("GET", "/v1/boards", 200);
    let names: Vec<_> = listed["boards"].as_array().expect("a list").iter().map(|board| &board["board"]).collect();
    assert_eq!(names, ["hosted", "open"]);
    let second = operated.asks("GET", "/v1/boards?after=hosted&limit=1", 200);
    assert_eq!((&second["boards"][0]["members"], &second["hasMore"]), (&1.into(), &false.into()));
    for (name, member) in [("hosted", &mut ada), ("open", &mut bob)] {
        assert_eq!(operated.asks("GET", &format!("/v1/boards/{name}"), 200)["seq"], 0);
        assert_eq!(operated.asks("GET", &format!("/v1/boards/{name}/members"), 200)["members"][0]["author"], 1);
        assert_eq!(operated.asks("GET", &format!("/v1/boards/{name}/export"), 200)["elements"], serde_json::json!([]));
        operated.asks("DELETE", &format!("/v1/boards/{name}"), 200);
        assert_eq!(member.wait_for_close(), 4001);
        operated.asks("GET", &format!("/v1/boards/{name}"), 404);
        operated.asks("DELETE", &format!("/v1/boards/{name}"), 404);
    }
    assert_eq!(operated.asks("GET", "/v1/boards", 200)["boards"], serde_json::json!([]));
}

#[test]
fn a_host_link_that_the_operator_makes_is_one() {
    let operated = Operated::on_a_socket();
    Client::join(&operated.server.address, "team", "Bob").does(text("hello")).expect("he draws");
    let made = operated.asks("POST", "/v1/boards/team/links/host", 201);
    let digits = made["link"].as_str().and_then(|link| link.strip_prefix("b/team#t=")).expect("a link").to_owned();
    let token = inkwire_protocol::Token::of_digits(&digits).expect("32 hex digits");
    let host = Client::join_by(&operated.server.address, "team", "Ada", token);
    assert_eq!(host.rights(), Some((inkwire_protocol::Role::Host, true)));
    let audit = operated.asks("GET", "/v1/boards/team/audit", 200);
    assert_eq!(
        (&audit["records"][0]["who"], &audit["records"][0]["what"]),
        (&"operator".into(), &"makeLink host".into())
    );
}

#[test]
fn without_the_token_nothing_is_told_and_guessing_is_slowed_down() {
    let operated = Operated::on_a_socket();
    let wrong = |number: u32| operated.asks_with(&format!("operators-own-tokem-{number}"), "GET", "/v1/boards");
    let statuses: Vec<u16> = (0..14).map(|number| wrong(number).0).collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[12..], [429; 2]);
    // Neither is the right one looked at: an answer that differs would tell a guesser what it has found.
    let refused = operated.asks("GET", "/v1/boards", 429);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("--admin-guesses")), "{refused}");
    assert!(operated.server.metric("inkwire_refused_total{limit=\"token\"}") >= 3.0);
    wait_until("a guess comes back", || operated.asks_with(TOKEN, "GET", "/v1/boards").0 == 200);
    operated.asks("GET", "/v1/boards", 200);
    assert!(operated.server.get("/v1/boards").starts_with("HTTP/1.1 404"), "it is not on the boards' own listener");
}

#[test]
fn on_loopback_the_api_is_reached_by_no_name_of_another_site() {
    let address = format!("127.0.0.1:{}", free_port());
    let operated = Operated::start(&address);
    for (host, status) in [("rebound.evil.example", "421"), ("localhost:9000", "200"), (address.as_str(), "200")] {
        let mut raw = Raw::connect(&address);
        let token = format!("Authorization: Bearer {TOKEN}\r\nConnection: close\r\n");
        raw.send(format!("GET /v1/limits HTTP/1.1\r\nHost: {host}\r\n{token}\r\n").as_bytes());
        let answer = String::from_utf8(raw.rest()).expect("text");
        assert_eq!((answer.get(9..12), answer.contains("--public-url")), (Some(status), status == "421"), "{answer}");
    }
    assert_eq!(operated.server.metric("inkwire_refused_total{limit=\"host\"}"), 1.0);
}

#[test]
fn two_tokens_in_one_request_are_refused_whichever_is_right() {
    let operated = Operated::on_a_socket();
    for tokens in [[TOKEN, "operators-own-tokem"], ["operators-own-tokem", TOKEN], [TOKEN, TOKEN]] {
        let mut stream = UnixStream::connect(operated.directory.path().join("admin")).expect("it listens");
        let both = tokens.map(|token| format!("Authorization: Bearer {token}\r\n")).concat();
        write!(stream, "GET /v1/limits HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{both}\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Authorization is there twice"), "{answer}");
    }
}

#[test]
fn what_is_asked_wrongly_is_refused_by_name() {
    let operated = Operated::on_a_socket();
    for (method, path, status, words) in [
        ("GET", "/v1/boards/none", 404, "no such board"),
        ("GET", "/v1/boards/a%20b", 404, "no such board"),
        ("GET", "/v1/boards?limit=0", 400, "limit is a number from 1 to 1000"),
        ("GET", "/v1/boards?limit=1&limit=2", 400, "there twice"),
        ("GET", "/v1/boards?colour=red", 400, "no parameter colour"),
        ("GET", "/v1/limits?colour=red", 400, "no parameter colour"),
        ("POST", "/v1/boards", 405, "takes GET"),
        ("GET", "/v1/nothing", 404, "nothing lives here"),
        ("GET", "/v2/boards", 404, "nothing lives here"),
    ] {
        let answer = operated.asks(method, path, status);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{path}: {answer}");
    }
}

#[test]
fn it_is_off_without_a_flag_and_does_not_start_without_a_good_token() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "short\n").expect("a file");
    let serve = |flags: &[&str]| {
        let mut command = assert_cmd::Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data", ":memory:"]).args(flags).assert()
    };
    serve(&["--admin", "127.0.0.1:0"]).code(2);
    let refused = serve(&["--admin", "127.0.0.1:0", "--admin-token-file", file.to_str().expect("a path")]).code(1);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(words.contains("not a token of 16 plain letters or more"), "{words}");
}

#[test]
fn schemathesis_finds_nothing_that_is_not_as_the_description_says() {
    let schemathesis = root().join("target/tools/schemathesis/bin/schemathesis");
    if !are_there("admin", &[&schemathesis]) {
        return;
    }
    // It speaks to no unix socket.
    let port = free_port();
    let operated = Operated::start(&format!("127.0.0.1:{port}"));
    Client::join(&operated.server.address, "team", "Ada").does(text("hello")).expect("she draws");
    let url = format!("http://127.0.0.1:{port}/v1");
    let output = run(&schemathesis, operated.directory.path(), &url);
    assert!(output.0, "{}", output.1);
    assert!(output.1.contains(" passed"), "{}", output.1);
}

fn run(schemathesis: &Path, directory: &Path, url: &str) -> (bool, String) {
    let mut command = Command::new(schemathesis);
    command.args(["run", &format!("{url}/openapi.json"), "--url", url, "--seed", "7", "--max-examples", "25"]);
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}"), "--no-color"]).current_dir(directory);
    let output = command.output().expect("schemathesis runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
