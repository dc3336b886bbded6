//! `cargo xtask watch`, on a crate of its own whose program becomes the server: what it builds, and that no client is ever without one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use inkwire_tests::client::{Client, text};
use inkwire_tests::patience::{PATIENCE, wait_until};
use inkwire_tests::server::{binary, xtask};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;
use tempfile::TempDir;

/// A workspace whose program becomes the real server: what is edited compiles in half a second.
struct Fixture {
    folder: TempDir,
}

const MAIN: &str = r#"use std::os::unix::process::CommandExt;
const VERSION: &str = "VERSION_HERE";
fn main() {
    // BEFORE
    let mut server = std::process::Command::new(std::env::var_os("INKWIRE_BIN").unwrap());
    panic!("{}", server.args(std::env::args_os().skip(1)).env("VERSION", VERSION).exec());
}
"#;

impl Fixture {
    fn new() -> Self {
        let fixture = Self { folder: TempDir::new().unwrap() };
        fixture.write(
            "Cargo.toml",
            "[package]\nname = \"fixture\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
        );
        fixture.write(".gitignore", "/ignored\n");
        fixture.write("static/style.css", "body {}\n");
        fixture.version("0");
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn version(&self, version: &str) {
        self.write("src/main.rs", &MAIN.replace("VERSION_HERE", version));
    }
}

/// The command, and what it says.
struct Watch {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
}

impl Watch {
    fn start(fixture: &Fixture, more: &[&str]) -> Self {
        let mut child = Command::new(xtask())
            .args(["watch", "--json", "--listen", "127.0.0.1:0", "--package", "fixture", "--dir"])
            .arg(fixture.folder.path())
            .args(more)
            .env("INKWIRE_BIN", binary())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, events, seen: Vec::new() }
    }

    /// Waits until something is said.
    #[track_caller]
    fn says(&mut self, event: &str) -> Value {
        let deadline = Instant::now() + 3 * PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(told) = self.events.recv_timeout(left) else { panic!("{event} is not said: {:#?}", self.seen) };
            self.seen.push(told.clone());
            if told["event"] == event {
                return told;
            }
        }
    }

    /// What is said within a time in which nothing is waited for.
    fn says_meanwhile(&mut self, lasts: Duration) -> Vec<String> {
        let deadline = Instant::now() + lasts;
        let mut all = Vec::new();
        while let Ok(told) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            all.push(told["event"].as_str().unwrap().to_owned());
        }
        all
    }

    /// Where the server is, once it is ready.
    fn ready(&mut self) -> String {
        let url = self.says("ready")["url"].as_str().unwrap().to_owned();
        url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ends(mut self) -> Option<i32> {
        wait_until("the command ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes whose command line has this in it.
fn processes(word: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(word))
    })
    .collect()
}

/// Opens connections as fast as it can until it is told to stop; how many, and what went wrong.
fn hammer(address: &str, stop: &Arc<AtomicBool>, served: &Arc<AtomicUsize>) -> thread::JoinHandle<Vec<String>> {
    let (address, stop, served) = (address.to_owned(), stop.clone(), served.clone());
    thread::spawn(move || {
        let mut wrong = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let answer = TcpStream::connect(&address).and_then(|mut stream| {
                stream.set_read_timeout(Some(3 * PATIENCE))?;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer)?;
                Ok(answer)
            });
            match answer {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => _ = served.fetch_add(1, Ordering::Relaxed),
                Ok(answer) => wrong.push(format!("{answer:?}")),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        wrong
    })
}

#[test]
fn nobody_is_refused_through_restarts_and_a_build_that_fails() {
    let (fixture, data) = (Fixture::new(), TempDir::new().unwrap());
    let data = data.path().to_str().unwrap();
    let mut watch = Watch::start(&fixture, &["--", "--data", data, "--data-wait", "30"]);
    let address = watch.ready();
    let (stop, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..4).map(|_| hammer(&address, &stop, &served)).collect();
    for version in 1..=20 {
        if version == 10 {
            fixture.write("src/main.rs", "fn main() { nonsense }\n");
            let failed = watch.says("failed");
            assert_eq!(failed["places"][0], "src/main.rs:1:13");
            assert!(failed["text"].as_str().unwrap().contains("the server that runs stays"), "{failed}");
        }
        fixture.version(&version.to_string());
        watch.says("built");
        watch.ready();
    }
    stop.store(true, Ordering::Relaxed);
    let wrong: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(wrong, [] as [String; 0], "of {} answers", served.load(Ordering::Relaxed));
    assert!(served.load(Ordering::Relaxed) > 1000);
}

#[test]
fn a_hundred_who_draw_through_restarts_lose_nothing_and_are_back_at_once() {
    let (fixture, data) = (Fixture::new(), TempDir::new().unwrap());
    let data = data.path().to_str().unwrap();
    let mut watch = Watch::start(&fixture, &["--", "--data", data, "--data-wait", "30", "--max-per-address", "1000"]);
    let address = watch.ready();
    let (stop, back) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let members: Vec<_> = (0..100)
        .map(|number| {
            let (address, stop, back) = (address.clone(), stop.clone(), back.clone());
            thread::spawn(move || {
                let mut client = Client::away(&address, "room", &format!("member {number}"));
                while !stop.load(Ordering::Relaxed) || !client.is_connected() || !client.session.pending().is_empty() {
                    if !client.is_connected() && !client.try_connect(&address) {
                        thread::park_timeout(Duration::from_millis(20));
                        continue;
                    }
                    if client.session.cseq()
                        == client.session.pending().front().map_or(client.session.cseq(), |first| first.cseq - 1)
                    {
                        client.submit(text(&format!("{number} {}", client.session.cseq() + 1)));
                        back.fetch_add(1, Ordering::Relaxed);
                    }
                    client.listen(Duration::from_millis(50));
                }
                client.session.cseq()
            })
        })
        .collect();
    for version in 1..=5 {
        fixture.version(&version.to_string());
        watch.ready();
        let (ready, before) = (Instant::now(), back.load(Ordering::Relaxed));
        wait_until("they draw on", || back.load(Ordering::Relaxed) > before + 100);
        println!("restart {version}: a hundred more were drawn {:?} after it was ready", ready.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let drawn: u64 = members.into_iter().map(|member| member.join().unwrap()).sum();
    let mut late = Client::join(&address, "room", "late");
    late.round_trip();
    assert_eq!(late.session.board().seq(), drawn, "each operation is there once");
}

#[test]
fn every_way_to_save_is_one_build_and_reading_is_none() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--no-serve"]);
    watch.says("built");
    assert!(watch.seen.iter().all(|told| told["event"] != "changed"), "the lock file is cargo's: {:?}", watch.seen);
    for path in ["Cargo.toml", "src/main.rs", "static/style.css"] {
        std::fs::read(fixture.path(path)).unwrap();
    }
    fixture.write("README.md", "words\n");
    fixture.write("ignored/a.rs", "");
    fixture.write("src/.main.rs.swp", "");
    fixture.write("src/main.rs~", "");
    assert_eq!(watch.says_meanwhile(Duration::from_millis(600)), [] as [&str; 0]);
    let saves: [(&str, &dyn Fn()); 5] = [
        ("in place", &|| fixture.version("1")),
        ("by another file in its place", &|| {
            fixture.write("src/.new", &MAIN.replace("VERSION_HERE", "2"));
            std::fs::rename(fixture.path("src/.new"), fixture.path("src/main.rs")).unwrap();
        }),
        ("as vim does, with a backup", &|| {
            std::fs::rename(fixture.path("src/main.rs"), fixture.path("src/main.rs~")).unwrap();
            fixture.version("3");
            std::fs::remove_file(fixture.path("src/main.rs~")).unwrap();
        }),
        ("in a new folder", &|| fixture.write("src/new/deep/mod.rs", "")),
        ("in that folder later", &|| fixture.write("src/new/deep/mod.rs", "// more\n")),
    ];
    for (how, save) in saves {
        save();
        let changed = watch.says("changed");
        watch.says("built");
        let more = watch.says_meanwhile(Duration::from_millis(400));
        let builds: Vec<_> = more.iter().filter(|event| *event == "changed" || *event == "building").collect();
        assert!(builds.is_empty(), "{how}: {changed} {more:?}");
    }
    // A folder that goes away and comes back is watched as before.
    std::fs::remove_dir_all(fixture.path("static")).unwrap();
    watch.says_meanwhile(Duration::from_millis(300));
    fixture.write("static/style.css", "a {}\n");
    watch.says("style");
    fixture.write("static/style.css", "b {}\n");
    assert_eq!(watch.says("style")["path"], "static/style.css");
    fixture.write("static/page.html", "");
    watch.says("page");
    watch.signal(Signal::INT);
    assert_eq!(watch.ends(), Some(130));
}

#[test]
fn the_same_program_is_not_restarted_and_one_that_fails_leaves_the_old_one_serving() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--", "--data", ":memory:"]);
    let address = watch.ready();
    let answers = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200")
    };
    fixture.write("src/main.rs", &format!("{}// said\n", MAIN.replace("VERSION_HERE", "0")));
    watch.says("unchanged");
    fixture.write("src/main.rs", &MAIN.replace("// BEFORE", "panic!(\"it was told to\");"));
    let crashed = watch.says("crashed");
    assert!(
        crashed["text"].as_str().unwrap().contains("ends before it is ready (exit status: 101); the old one stays"),
        "{crashed}"
    );
    assert!(crashed["lines"].to_string().contains("it was told to"), "{crashed}");
    assert!(answers());
    fixture.version("again");
    watch.ready();
    assert!(answers());
    watch.signal(Signal::TERM);
    assert_eq!(watch.ends(), Some(143));
    assert_eq!(std::fs::read_dir(fixture.path("target/watch/served")).unwrap().count(), 0, "no copy is left");
}

#[test]
fn a_server_that_never_gets_ready_is_given_up_and_the_old_one_stays() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--ready-timeout", "1", "--", "--data", ":memory:"]);
    let address = watch.ready();
    fixture.write("src/main.rs", "fn main() { eprintln!(\"thinking\"); loop { std::thread::park() } }\n");
    let crashed = watch.says("crashed");
    assert!(crashed["text"].as_str().unwrap().contains("is not ready after 1s; the old one stays"), "{crashed}");
    assert_eq!(crashed["lines"][0], "thinking");
    assert!(TcpStream::connect(address).is_ok());
}

#[test]
fn a_change_while_it_builds_begins_the_build_anew_and_what_comes_of_it_is_one() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--no-serve"]);
    watch.says("built");
    fixture.write("build.rs", "fn main() { std::thread::park_timeout(std::time::Duration::from_secs(60)) }\n");
    watch.says("building");
    fixture.write("build.rs", "fn main() {}\n");
    watch.says("cancelled");
    watch.says("built");
    assert!(!watch.says_meanwhile(Duration::from_millis(400)).contains(&"built".to_owned()));
}

/// Says that it waits for what the other one has, and fails once it has been let.
const FAILS_LATE: &str = r#"fn main() {
    let path = std::env::var("NOTIFY_SOCKET").unwrap();
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket.send_to(b"STATUS=waiting for the data directory", path).unwrap();
    std::thread::park_timeout(std::time::Duration::from_millis(300));
    std::process::exit(3);
}
"#;

#[test]
fn a_server_that_fails_after_the_old_one_has_made_room_brings_the_last_good_one_back() {
    let (fixture, data) = (Fixture::new(), TempDir::new().unwrap());
    let mut watch = Watch::start(&fixture, &["--", "--data", data.path().to_str().unwrap(), "--data-wait", "30"]);
    let address = watch.ready();
    fixture.write("src/main.rs", FAILS_LATE);
    let crashed = watch.says("crashed");
    assert!(
        crashed["text"].as_str().unwrap().contains("(exit status: 3); the last good one is run again"),
        "{crashed}"
    );
    assert_eq!(watch.ready(), address);
}

#[test]
fn a_server_that_ends_by_itself_is_started_again() {
    let fixture = Fixture::new();
    let data = TempDir::new().unwrap();
    let data = data.path().to_str().unwrap();
    let mut watch = Watch::start(&fixture, &["--", "--data", data, "--data-wait", "30"]);
    watch.ready();
    let served = processes(data).into_iter().find(|pid| *pid != watch.child.id() as i32).unwrap();
    kill_process(Pid::from_raw(served).unwrap(), Signal::KILL).unwrap();
    let ended = watch.says("ended");
    assert!(ended["text"].as_str().unwrap().contains("it is started again in 0.2 s"), "{ended}");
    watch.ready();
}

#[test]
fn by_looking_at_all_files_a_save_is_seen_too() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--no-serve", "--poll=100"]);
    watch.says("built");
    fixture.version("longer");
    watch.says("changed");
    watch.says("built");
}

#[test]
fn tests_and_clippy_run_after_a_good_build_and_say_how_they_went() {
    let fixture = Fixture::new();
    fixture.write("src/lib.rs", "#[test]\nfn fine() {}\n");
    let mut watch = Watch::start(&fixture, &["--no-serve", "--test", "--clippy"]);
    let checked = |watch: &mut Watch| {
        let all: Vec<_> = (0..2).map(|_| watch.says("checked")).collect();
        ["test", "clippy"].map(|what| all.iter().find(|told| told["what"] == what).unwrap()["good"].as_bool().unwrap())
    };
    assert_eq!(checked(&mut watch), [true, true]);
    fixture.write("src/lib.rs", "#[test]\nfn fails() { assert_eq!(1, 2) }\n");
    assert_eq!(checked(&mut watch), [false, true]);
}

#[test]
fn idle_it_does_nothing_and_reading_every_file_builds_nothing() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--", "--data", ":memory:"]);
    watch.ready();
    let ticks = |watch: &Watch| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", watch.child.id())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2).map(|it| it.parse().unwrap()).collect();
        fields.iter().sum::<u64>()
    };
    let before = ticks(&watch);
    assert!(
        Command::new("grep").args(["-rq", "no such words", "."]).current_dir(fixture.folder.path()).status().is_ok()
    );
    let said = watch.says_meanwhile(Duration::from_secs(30));
    assert!(said.iter().all(|event| event == "line"), "nothing but what the server logs: {said:?}");
    // A tick is a hundredth of a second: 0.2 % of 30 s are six.
    let spent = ticks(&watch) - before;
    assert!(spent <= 6, "{spent} ticks");
}

#[test]
fn on_a_terminal_keys_do_what_the_help_says() {
    let fixture = Fixture::new();
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let device = open(ptsname(&near, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let mut child = Command::new(xtask())
        .args(["watch", "--listen", "127.0.0.1:0", "--package", "fixture", "--dir"])
        .arg(fixture.folder.path())
        .args(["--", "--data", ":memory:"])
        .env("INKWIRE_BIN", binary())
        .stdin(Stdio::from(device.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut says = |words: &str| assert!(lines.any(|line| line.contains(words)), "{words} is not said");
    let mut keys = std::fs::File::from(near);
    let mut presses = |key: &str| keys.write_all(key.as_bytes()).unwrap();
    says("ready in ");
    presses("h");
    says("r restart, b build, t tests, o open the page, c clear the screen, p pause, q quit, h this help");
    presses("r");
    says("ready in ");
    presses("b");
    says("the program is the same");
    presses("p");
    says("paused");
    fixture.version("while it was paused");
    thread::park_timeout(Duration::from_millis(300));
    presses("p");
    says("goes on");
    says("src/main.rs changed");
    says("ready in ");
    presses("t");
    says("test passed");
    presses("q");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        tcgetattr(&device).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO),
        "the terminal is as it was"
    );
}

#[test]
fn nothing_is_left_behind_however_it_ends() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let (fixture, data) = (Fixture::new(), TempDir::new().unwrap());
        let data = data.path().to_str().unwrap();
        let mut watch = Watch::start(&fixture, &["--", "--data", data]);
        watch.ready();
        let mut all: BTreeSet<i32> = processes(data).into_iter().collect();
        // A build script that never ends.
        fixture.write("build.rs", "fn main() { loop { std::thread::park() } }\n");
        watch.says("building");
        let folder = fixture.folder.path().to_str().unwrap();
        wait_until("the build script runs", || processes("build-script-build").iter().any(|pid| is_in(*pid, folder)));
        all.extend(processes(folder));
        assert!(all.len() >= 3, "the command, the server and cargo: {all:?}");
        watch.signal(signal);
        wait_until(&format!("nothing is left after {signal:?}"), || {
            let _ = watch.child.try_wait();
            all.iter().all(|pid| test_kill_process(Pid::from_raw(*pid).unwrap()).is_err())
                && processes(folder).is_empty()
        });
    }
}

/// Whether a process runs a program below a folder.
fn is_in(pid: i32, folder: &str) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.starts_with(folder))
}

#[test]
fn what_is_wrong_from_the_beginning_is_one_line() {
    let run = |arguments: &[&str]| {
        let output = Command::new(xtask()).arg("watch").args(arguments).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let empty = TempDir::new().unwrap();
    let (code, error) = run(&["--dir", empty.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("has no Cargo.toml; --dir says where the workspace is") && error.lines().count() == 1,
        "{error}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, error) = run(&["--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("{address} cannot be listened on")) && error.lines().count() == 1, "{error}");
    assert_eq!(run(&["--nonsense"]).0, Some(2));
}

#[test]
fn once_builds_starts_sees_that_it_is_ready_and_stops() {
    let fixture = Fixture::new();
    let mut watch = Watch::start(&fixture, &["--once", "--", "--data", ":memory:"]);
    watch.says("ready");
    assert_eq!(watch.ends(), Some(0));
    fixture.write("src/lib.rs", "#[test]\nfn fails() { assert_eq!(1, 2) }\n");
    let mut watch = Watch::start(&fixture, &["--once", "--no-serve", "--test"]);
    watch.says("checked");
    assert_eq!(watch.ends(), Some(1), "it waits for its tests, and says how they went");
    fixture.write("src/main.rs", "fn main() { nonsense }\n");
    let mut watch = Watch::start(&fixture, &["--once", "--no-serve"]);
    watch.says("failed");
    assert_eq!(watch.ends(), Some(1));
    assert!(Path::new(&fixture.path("target/watch")).exists());
}
