//! `wsinspect test`: runs scripts of sends and expectations, and says which do not hold.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use smol::Timer;
use wsinspect::formats::json::Stamp;
use wsinspect::frame::lint::Seen;
use wsinspect::frame::message::{Assembly, Message};
use wsinspect::frame::{Frame, Opcode, Sender};
use wsinspect::handshake::target::Target;
use wsinspect::script::expect::{Expectation, Kind, Variables, filled, named};
use wsinspect::script::say::{Say, Shape};
use wsinspect::script::{Action, PATIENCE, Script, Step, say};
use wsinspect::tap::{Event, Limits};
use wsinspect::view::line::{excerpt, quoted};

use crate::failure::{Failure, Outcome};
use crate::flags::reach::{Ask, Reach};
use crate::io::peer::{Came, Peer, request};
use crate::io::route;

#[derive(Debug, Args)]
#[command(after_help = "A script:

  connect ws://{{host}}/chat
    subprotocol chat.v1
  # text, binary (hex), ping, pong, close CODE REASON, raw (hex)
  --> text {\"op\": \"join\"}
  # text, binary, ping, pong, close CODE, nothing
  <-- text within 2s
    # other messages may come before it
    skip
    # RFC 9535; ==, !=, <, <=, >, >=, contains, matches, exists; without a path all of it
    $.op == \"joined\"
    # or capture NAME = . for all of it
    capture id = $.id
  --> text {\"op\": \"leave\", \"id\": {{id}}}
  <-- close 1000
  wait 100ms
  let name = value
  # more than one connection, each with a name; below connect: header, origin, subprotocol, status
  connect ada = ws://{{host}}/chat
  ada --> text hello

Pings are answered and, like pongs, passed over unless they are expected.")]
pub(crate) struct Test {
    /// Scripts; convert writes one from a recording.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What {{NAME}} stands for.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) var: Vec<(String, String)>,
    /// How long an expectation waits that does not say; 5s.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Write what came of it into this file, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Say what came of it in the Test Anything Protocol.
    #[arg(long)]
    pub(crate) tap: bool,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Largest script, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Bytes that are kept of each message.
const LIMITS: Limits = Limits { keep: 16 * 1024 * 1024, inflate: 64 * 1024 * 1024 };
/// Maximum time of a server to end after the script.
const ENDING: Duration = Duration::from_secs(1);

/// Why a script has stopped.
struct Stop {
    line: usize,
    text: String,
    /// Lines that are shown under it.
    words: Vec<String>,
}

/// The outcome of a script.
struct Ran {
    path: PathBuf,
    steps: usize,
    took: Duration,
    stop: Option<Stop>,
}

pub(crate) fn run(flags: &Test) -> Result<Outcome, Failure> {
    let scripts = flags.files.iter().map(|path| Ok((path, parse(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut all = Vec::new();
    let mut out = io::stdout();
    if flags.tap {
        writeln!(out, "TAP version 14\n1..{}", scripts.len())?;
    }
    for (path, script) in &scripts {
        let begun = Instant::now();
        let stop = smol::block_on(Runner::new(flags).run(script)).err();
        all.push(Ran { path: path.to_path_buf(), steps: script.steps.len(), took: begun.elapsed(), stop });
        let ran = &all[all.len() - 1];
        let told = if flags.tap { tap(ran, all.len()) } else { lines(ran) };
        out.write_all(told.as_bytes())?;
    }
    if let Some(path) = &flags.junit {
        let failed = |error: &dyn ToString| Failure::Input(format!("{}: {}", path.display(), error.to_string()));
        let text = junit(&all).to_string().map_err(|error| failed(&error))?;
        std::fs::write(path, text).map_err(|error| failed(&error))?;
    }
    let failed = all.iter().filter(|ran| ran.stop.is_some()).count();
    if !flags.tap {
        writeln!(out, "{} of {} passed", all.len() - failed, all.len())?;
    }
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Unmet })
}

fn parse(path: &Path) -> Result<Script, Failure> {
    let name = path.display();
    let io = |error: io::Error| Failure::Input(format!("{name}: {error}"));
    if std::fs::metadata(path).map_err(io)?.len() > LONGEST {
        return Err(Failure::Input(format!("{name}: a script has at most {LONGEST} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let script = Script::parse(&text).map_err(|error| Failure::Input(format!("{name}:{error}")))?;
    if script.steps.is_empty() {
        return Err(Failure::Input(format!("{name}: it has no steps")));
    }
    Ok(script)
}

fn lines(ran: &Ran) -> String {
    let (name, took) = (ran.path.display(), ran.took.as_millis());
    match &ran.stop {
        None => format!("ok    {name}  {} steps, {took} ms\n", ran.steps),
        Some(stop) => {
            let words: String = stop.words.iter().map(|line| format!("        {line}\n")).collect();
            format!("FAIL  {name}:{}  {}\n{words}", stop.line, stop.text.trim())
        }
    }
}

/// Test Anything Protocol, version 14.
fn tap(ran: &Ran, number: usize) -> String {
    let name = ran.path.display().to_string().replace('#', "\\#");
    match &ran.stop {
        None => format!("ok {number} - {name}\n"),
        Some(stop) => {
            let words: String = stop.words.iter().map(|line| format!("    {line}\n")).collect();
            let at = format!("  line: {}\n  step: {}\n", stop.line, quoted(stop.text.trim()));
            format!("not ok {number} - {name}\n  ---\n{at}  message: |\n{words}  ...\n")
        }
    }
}

fn junit(all: &[Ran]) -> Report {
    let mut report = Report::new("wsinspect");
    let mut suite = TestSuite::new("wsinspect");
    for ran in all {
        let status = match &ran.stop {
            None => TestCaseStatus::success(),
            Some(stop) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(format!("line {}: {}", stop.line, stop.text.trim()));
                status.set_description(stop.words.join("\n"));
                status
            }
        };
        let mut case = TestCase::new(ran.path.display().to_string(), status);
        case.set_time(ran.took);
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    report
}

/// A connection of a script.
struct Connection {
    peer: Peer,
    assembly: Assembly,
    came: VecDeque<Message>,
    has_ended: bool,
    /// Our close frame is out.
    is_closing: bool,
}

struct Runner<'a> {
    flags: &'a Test,
    variables: Variables,
    connections: BTreeMap<String, Connection>,
}

impl<'a> Runner<'a> {
    fn new(flags: &'a Test) -> Self {
        Self { flags, variables: flags.var.iter().cloned().collect(), connections: BTreeMap::new() }
    }

    async fn run(mut self, script: &Script) -> Result<(), Stop> {
        let mut result = Ok(());
        for step in &script.steps {
            result = self.step(step).await;
            if result.is_err() {
                break;
            }
        }
        for connection in self.connections.values_mut() {
            connection.end().await;
        }
        result
    }

    async fn step(&mut self, step: &Step) -> Result<(), Stop> {
        let stop = |words: String| Stop { line: step.line, text: step.text.clone(), words: vec![words] };
        let fill = |text: &str| {
            filled(text, &self.variables).map_err(|name| {
                stop(format!("nothing stands for {{{{{name}}}}}; --var {name}=VALUE gives it a meaning"))
            })
        };
        match &step.action {
            Action::Wait(duration) => _ = Timer::after(*duration).await,
            Action::Let(name, value) => {
                let value = fill(value)?;
                self.variables.insert(name.clone(), value);
            }
            Action::Connect { url, headers, subprotocols, status } => {
                let ask = Ask {
                    header: headers.iter().map(|header| fill(header)).collect::<Result<_, _>>()?,
                    subprotocol: subprotocols.iter().map(|name| fill(name)).collect::<Result<_, _>>()?,
                    ..Ask::default()
                };
                let connection = self.connect(&fill(url)?, &ask, *status).await.map_err(stop)?;
                if let Some(connection) = connection {
                    self.connections.insert(step.connection.clone(), connection);
                }
            }
            Action::Send(kind, text) => {
                let say = say(*kind, &fill(text)?).map_err(stop)?;
                let connection = self.connections.get_mut(&step.connection);
                connection.ok_or_else(|| stop("there is no connection of this name".into()))?.send(&say);
            }
            Action::Expect(expectation) => {
                let connection = self.connections.get_mut(&step.connection);
                let connection = connection.ok_or_else(|| stop("there is no connection of this name".into()))?;
                let patience = expectation.within.unwrap_or(self.flags.timeout.unwrap_or(PATIENCE));
                connection.expect(step, expectation, patience, &mut self.variables).await?;
            }
        }
        Ok(())
    }

    async fn connect(&self, url: &str, ask: &Ask, status: u16) -> Result<Option<Connection>, String> {
        let target = Target::parse(url).map_err(|error| format!("{url}: {error}"))?;
        let head = request(ask, &target).map_err(|error| error.to_string())?;
        let (number, reach) = (self.connections.len() as u64 + 1, &self.flags.reach);
        let mut peer = Peer::connect(reach, &target, LIMITS, number).await.map_err(|error| error.to_string())?;
        let late = route::late(reach, &target);
        let (told, result) = peer.shake_hands(&head, reach.connect_timeout, late).await;
        let got = told.iter().find_map(|(_, event)| match event {
            Event::Handshake(handshake) => Some(handshake.response.status()),
            _ => None,
        });
        match result {
            _ if got.is_some_and(|got| got != status) => {
                Err(format!("the status is {}, and {status} was expected", got.unwrap_or_default()))
            }
            Err(_) if got == Some(status) && status != 101 => Ok(None),
            Err(error) => Err(error.to_string()),
            Ok(()) => {
                let (assembly, came) = (Assembly::new(LIMITS.keep), VecDeque::new());
                let mut connection = Connection { peer, assembly, came, has_ended: false, is_closing: false };
                connection.take(&told);
                Ok(Some(connection))
            }
        }
    }
}

impl Connection {
    fn send(&mut self, say: &Say) {
        self.is_closing |= matches!(say, Say::Control(Opcode::CLOSE, _));
        self.peer.say(say, &Shape::default());
    }

    fn take(&mut self, told: &[(Stamp, Event)]) {
        for (_, event) in told {
            if let Event::Frame { sender: Sender::Server, frame, seen } = event {
                self.frame(frame, seen);
            }
        }
    }

    fn frame(&mut self, frame: &Frame, seen: &Seen) {
        match frame.header.opcode {
            Opcode::PING => _ = self.peer.answer(frame, &Shape::default()),
            Opcode::CLOSE if !std::mem::replace(&mut self.is_closing, true) => {
                self.peer.answer(frame, &Shape::default());
                self.peer.end();
            }
            _ => {}
        }
        self.came.extend(self.assembly.push(frame, seen.place, seen.inflated.as_ref()));
    }

    /// The next message; none at the end, or where none comes in time.
    async fn next(&mut self, deadline: Instant) -> Option<Message> {
        while self.came.is_empty() && !self.has_ended {
            match self.peer.next(Some(deadline)).await {
                Came::Events(events) => self.take(&events),
                Came::End => self.has_ended = true,
                Came::Late => return None,
            }
        }
        self.came.pop_front()
    }

    async fn expect(
        &mut self,
        step: &Step,
        expectation: &Expectation,
        patience: Duration,
        variables: &mut Variables,
    ) -> Result<(), Stop> {
        let stop = |line, words: Vec<String>| Stop { line, text: step.text.clone(), words };
        let deadline = Instant::now() + patience;
        let mut nearest = None;
        loop {
            let Some(message) = self.next(deadline).await else {
                return match expectation.kind {
                    Kind::Nothing if !self.has_ended => Ok(()),
                    // An end without a close frame is a close of its own (RFC 6455 section 7.1.5).
                    Kind::Close if self.has_ended && expectation.code.is_none_or(|code| code == 1006) => Ok(()),
                    _ => {
                        let why = if self.has_ended {
                            "the connection has ended".to_owned()
                        } else {
                            format!("nothing more came within {patience:?}")
                        };
                        let (line, mut words) = nearest.unwrap_or((step.line, Vec::new()));
                        words.push(why);
                        Err(stop(line, words))
                    }
                };
            };
            // Pings are answered, and pongs are of no interest, unless it is them that are waited for.
            let is_passing = matches!(message.opcode, Opcode::PING | Opcode::PONG);
            if is_passing && !expectation.kind.is(message.opcode) {
                continue;
            }
            if expectation.kind == Kind::Nothing {
                return Err(stop(step.line, vec![format!("+ {}", excerpt(&named(&message)))]));
            }
            let Err(mismatch) = expectation.judge(step.line, &message, variables) else { return Ok(()) };
            let told = vec![format!("- {}", excerpt(&mismatch.expected)), format!("+ {}", excerpt(&mismatch.got))];
            if !expectation.skips {
                return Err(stop(mismatch.line, told));
            }
            // What is of the right kind was nearer than what is not.
            if nearest.is_none() || expectation.kind.is(message.opcode) {
                nearest = Some((mismatch.line, told));
            }
        }
    }

    /// Closes, and waits for a while until the server has too.
    async fn end(&mut self) {
        if !self.is_closing {
            self.send(&Say::Control(Opcode::CLOSE, 1000u16.to_be_bytes().to_vec()));
        }
        let deadline = Instant::now() + ENDING;
        while !self.has_ended && Instant::now() < deadline {
            self.came.clear();
            self.next(deadline).await;
        }
        self.peer.end();
    }
}
