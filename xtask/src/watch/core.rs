//! The decisions of `watch`, without IO: events and the time go in, actions come out.
//!
//! There is one build at a time, one server that answers, at most one that is to take its place, and any number that were told to
//! end. Every process has a number, which its events name; an event of a process that is not known any more changes nothing.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_hook::consts::SIGINT;

use super::change;
use super::debounce::{Changes, Debounce};
use super::report::{Report, Tone};

/// Time that a server has to end after it was told to.
pub(super) const END: Duration = Duration::from_secs(10);
/// The first pause before a server that has ended by itself is started again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// The state of a server that lacks nothing but the data directory, which the current one has.
const WAITING: &str = "STATUS=waiting for the data directory";
/// The state of a server that accepts connections.
const READY: &str = "READY=1";
/// The keys and their actions.
const HELP: &str = "r restart, b build, t tests, o open the page, c clear the screen, p pause, q quit, h this help";
/// Lines of a server's standard error that are kept, to be shown if it fails.
const LINES: usize = 20;

/// The settings of a watch.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Whether the watch ends after the first build, server and checks.
    pub(super) once: bool,
    /// Whether servers are started.
    pub(super) serves: bool,
    /// The filter of the tests that run after a good build; empty for all.
    pub(super) tests: Option<String>,
    /// Whether clippy runs after a good build.
    pub(super) clippy: bool,
    /// Time that a new server has until it is ready.
    pub(super) ready: Duration,
    /// The address of the server for browsers.
    pub(super) url: String,
    /// The address from which pages load the script of `watch`.
    pub(super) pages: String,
    /// The beginning of the paths of programs that run; a number follows. The next build writes over the program itself.
    pub(super) copies: String,
}

/// An error of the compiler.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CompilerError {
    /// As the compiler writes it.
    pub(super) text: String,
    /// The position in its file, from the root on: `file:line:column`.
    pub(super) place: Option<String>,
}

/// A program that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) executable: PathBuf,
    /// A hash of its bytes: two of the same are the same program.
    pub(super) fingerprint: u64,
}

/// Something that has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The watch begins.
    Begin,
    /// Files have changed; paths from the root on.
    Changed(Vec<PathBuf>),
    /// Something is to be shown.
    Notice(String),
    /// A build has ended.
    Built(u64, Result<Program, Vec<CompilerError>>),
    /// A server has sent its state.
    State(u64, String),
    /// A server has written a line on its standard error.
    Line(u64, String),
    /// A server has ended, with a status.
    Ended(u64, String),
    /// A check has ended: its name, and whether it passed.
    Checked(u64, &'static str, bool),
    /// A key was pressed.
    Key(char),
    /// A signal has come.
    Signal(i32),
    /// The instant of [`Core::due`] has passed.
    Due,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Start the build of a number.
    Build(u64),
    /// End the build.
    CancelBuild,
    /// Start `cargo` with arguments as the check of a number and a name.
    Check(u64, &'static str, Vec<String>),
    /// End all checks.
    CancelChecks,
    /// Copy a program.
    Copy { from: PathBuf, to: PathBuf },
    /// Start a server.
    Start(u64, PathBuf),
    /// Tell a server to end.
    Terminate(u64),
    /// End a server.
    Kill(u64),
    /// Remove a copy of a program that nothing runs any more.
    Remove(PathBuf),
    /// Have pages take over a style sheet.
    Style(String),
    /// Have pages load again.
    Reload,
    /// Have pages show the errors of a build; none hides them.
    Errors(Vec<CompilerError>),
    /// Have pages know the number of the server that answers.
    Serving(u64),
    /// Show an event.
    Report(Report),
    /// Show a line of another program.
    Line(&'static str, String),
    /// Open an address in a browser.
    Open(String),
    /// Clear the terminal.
    Clear,
    /// End the watch with an exit code.
    Exit(u8),
}

/// A server that runs.
#[derive(Debug)]
struct Server {
    number: u64,
    begun: Instant,
    program: Program,
    told_to_end: Option<Instant>,
    lines: VecDeque<String>,
}

/// The state of a watch.
#[derive(Debug)]
pub(super) struct Core {
    settings: Settings,
    debounce: Debounce,
    build: Option<(u64, Instant)>,
    /// The server that answers.
    current: Option<Server>,
    /// The one that is to take its place.
    candidate: Option<Server>,
    /// Those that were told to end.
    leaving: Vec<Server>,
    /// The program of the last server that was ready: it is run again if a candidate fails after the current one made room for it.
    last_good: Option<Program>,
    checks: Vec<u64>,
    /// The last number of a process.
    number: u64,
    /// The pause before the next restart, and its time.
    pause: Duration,
    restart: Option<Instant>,
    is_paused: bool,
    /// Whether everything but the checks is done, and the exit code so far; for `once`.
    is_served: bool,
    code: u8,
    actions: Vec<Action>,
}

impl Core {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            debounce: Debounce::default(),
            build: None,
            current: None,
            candidate: None,
            leaving: Vec::new(),
            last_good: None,
            checks: Vec::new(),
            number: 0,
            pause: PAUSES.0,
            restart: None,
            is_paused: false,
            is_served: false,
            code: 0,
            actions: Vec::new(),
        }
    }

    /// Returns the instant at which [`Event::Due`] is to come.
    pub(super) fn due(&self) -> Option<Instant> {
        let ready = self.candidate.as_ref().map(|server| server.begun + self.settings.ready);
        let ended = self.leaving.iter().filter_map(Server::ends_at).min();
        let changes = self.debounce.due().filter(|_| !self.is_paused);
        [ready, ended, changes, self.restart].into_iter().flatten().min()
    }

    /// Takes an event, and returns what is to be done in order.
    pub(super) fn next(&mut self, now: Instant, event: Event) -> Vec<Action> {
        self.take(now, event);
        self.take_due(now);
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, now: Instant, event: Event) {
        match event {
            Event::Begin => self.begin_build(now),
            Event::Changed(paths) => {
                paths.into_iter().for_each(|path| self.debounce.push(now, change::class(&path), path));
            }
            Event::Notice(words) => self.report("told", Tone::Plain, words, Value::Null),
            Event::Built(number, built) => self.built(now, number, built),
            Event::State(number, state) => self.state(now, number, &state),
            Event::Line(number, line) => self.line(number, line),
            Event::Ended(number, status) => self.ended(now, number, &status),
            Event::Checked(number, what, passed) => self.checked(number, what, passed),
            Event::Key(key) => self.key(now, key),
            Event::Signal(SIGINT) => self.act(Action::Exit(130)),
            Event::Signal(signal) => self.act(Action::Exit(128 + signal as u8)),
            Event::Due => {}
        }
    }

    fn take_due(&mut self, now: Instant) {
        let late = self.leaving.iter_mut().filter(|server| server.ends_at().is_some_and(|at| at <= now));
        for server in late {
            server.told_to_end = None;
            self.actions.push(Action::Kill(server.number));
        }
        let ready = self.settings.ready;
        if let Some(server) = self.candidate.take_if(|server| server.begun + ready <= now) {
            self.act(Action::Kill(server.number));
            self.candidate_failed(now, server, &format!("the new server is not ready after {ready:?}"));
        }
        if self.restart.take_if(|at| *at <= now).is_some()
            && let (None, None, Some(program)) = (&self.current, &self.candidate, self.last_good.clone())
        {
            self.start(now, program);
        }
        if !self.is_paused
            && let Some(changes) = self.debounce.take(now)
        {
            self.change(now, &changes);
        }
    }

    fn change(&mut self, now: Instant, changes: &Changes) {
        let shown = |path: &PathBuf| path.display().to_string();
        for path in changes.styles.iter().map(shown) {
            self.act(Action::Style(path.clone()));
            self.report("style", Tone::Plain, format!("{path} is taken over"), json!({"path": path}));
        }
        if changes.page {
            self.act(Action::Reload);
            self.report("page", Tone::Plain, "the page is loaded again", Value::Null);
        }
        let all: Vec<String> = changes.build.iter().map(shown).collect();
        let Some(first) = all.first() else { return };
        let more = if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
        self.report("changed", Tone::Plain, format!("{first}{more} changed"), json!({"paths": all}));
        if all.iter().any(|path| path.starts_with("xtask/")) {
            let words = "xtask itself has changed: start it again to run the new one";
            self.report("told", Tone::Plain, words, Value::Null);
        }
        self.begin_build(now);
    }

    /// Begins a build; one that runs is of files that have changed since.
    fn begin_build(&mut self, now: Instant) {
        if self.build.take().is_some() {
            self.act(Action::CancelBuild);
            self.report("cancelled", Tone::Plain, "the build is begun again", Value::Null);
        }
        if !std::mem::take(&mut self.checks).is_empty() {
            self.act(Action::CancelChecks);
        }
        let number = self.next_number();
        self.build = Some((number, now));
        self.act(Action::Build(number));
        self.report("building", Tone::Plain, "building …", Value::Null);
    }

    fn built(&mut self, now: Instant, number: u64, built: Result<Program, Vec<CompilerError>>) {
        let Some((_, begun)) = self.build.take_if(|(build, _)| *build == number) else { return };
        let took = now - begun;
        match built {
            Err(errors) => self.build_failed(took, errors),
            Ok(program) => {
                let words = format!("built in {}", seconds(took));
                self.report("built", Tone::Good, words, json!({"seconds": took.as_secs_f64()}));
                self.act(Action::Errors(Vec::new()));
                self.check();
                self.serve(now, program);
            }
        }
    }

    fn build_failed(&mut self, took: Duration, errors: Vec<CompilerError>) {
        errors.iter().for_each(|error| self.act(Action::Line("cargo", error.text.trim_end().into())));
        let places: Vec<&str> = errors.iter().filter_map(|error| error.place.as_deref()).collect();
        let stays = if self.current.is_some() { "; the server that runs stays" } else { "" };
        let first = places.first().map(|place| format!(" at {place}")).unwrap_or_default();
        let words = format!("the build fails{first} after {}{stays}", seconds(took));
        self.report("failed", Tone::Bad, words, json!({"places": places, "seconds": took.as_secs_f64()}));
        self.act(Action::Errors(errors));
        self.exit_if_once(1);
    }

    /// Starts tests and clippy, beside the server; the next build cancels them.
    fn check(&mut self) {
        if let Some(filter) = self.settings.tests.clone() {
            self.run_check("test", &["test", "--quiet", "--workspace", &filter]);
        }
        if self.settings.clippy {
            self.run_check("clippy", &["clippy", "--quiet", "--workspace", "--all-targets"]);
        }
    }

    fn run_check(&mut self, what: &'static str, arguments: &[&str]) {
        let number = self.next_number();
        self.checks.push(number);
        let arguments = arguments.iter().filter(|argument| !argument.is_empty());
        self.act(Action::Check(number, what, arguments.map(ToString::to_string).collect()));
    }

    fn checked(&mut self, number: u64, what: &'static str, passed: bool) {
        let Some(at) = self.checks.iter().position(|check| *check == number) else { return };
        self.checks.swap_remove(at);
        let (tone, words) = if passed { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
        self.code |= u8::from(!passed);
        self.report("checked", tone, format!("{what} {words}"), json!({"what": what, "good": passed}));
        if self.is_served {
            self.exit_once_checked();
        }
    }

    /// Starts a program, if it is another one than the one that runs or is about to.
    fn serve(&mut self, now: Instant, program: Program) {
        if !self.settings.serves {
            return self.exit_once_checked();
        }
        let runs = self.candidate.as_ref().or(self.current.as_ref());
        if runs.is_some_and(|server| server.program.fingerprint == program.fingerprint) {
            let words = "the program is the same; nothing is restarted";
            return self.report("unchanged", Tone::Plain, words, Value::Null);
        }
        let copy = PathBuf::from(format!("{}{}", self.settings.copies, self.number));
        self.act(Action::Copy { from: program.executable, to: copy.clone() });
        self.start(now, Program { executable: copy, fingerprint: program.fingerprint });
    }

    fn start(&mut self, now: Instant, program: Program) {
        if let Some(before) = self.candidate.take() {
            self.terminate(now, before);
        }
        let number = self.next_number();
        self.act(Action::Start(number, program.executable.clone()));
        self.candidate = Some(Server { number, begun: now, program, told_to_end: None, lines: VecDeque::new() });
    }

    /// Takes the state of the candidate: that it is ready, or waits for what the current server has.
    fn state(&mut self, now: Instant, number: u64, state: &str) {
        if self.candidate.as_ref().is_none_or(|server| server.number != number) {
            return;
        }
        let is_ready = state.lines().any(|line| line == READY);
        if is_ready || state.lines().any(|line| line == WAITING) {
            // Its clients come back to the candidate.
            if let Some(server) = self.current.take() {
                self.terminate(now, server);
            }
        }
        if let Some(server) = self.candidate.take_if(|_| is_ready) {
            self.ready(now, server);
        }
    }

    fn ready(&mut self, now: Instant, server: Server) {
        let (took, url) = (now - server.begun, self.settings.url.clone());
        let words = format!("ready in {} at {url}", seconds(took));
        let more = json!({"url": url, "seconds": took.as_secs_f64(), "page": self.settings.pages});
        self.report("ready", Tone::Good, words, more);
        self.last_good = Some(server.program.clone());
        self.act(Action::Serving(server.number));
        self.current = Some(server);
        self.exit_once_checked();
    }

    fn line(&mut self, number: u64, line: String) {
        let mut servers = self.candidate.iter_mut().chain(&mut self.current);
        if let Some(server) = servers.find(|server| server.number == number) {
            server.lines.push_back(line.clone());
            if server.lines.len() > LINES {
                server.lines.pop_front();
            }
        }
        self.act(Action::Line("server", line));
    }

    fn ended(&mut self, now: Instant, number: u64, status: &str) {
        if let Some(at) = self.leaving.iter().position(|server| server.number == number) {
            let server = self.leaving.swap_remove(at);
            self.forget(&server.program);
        }
        if let Some(server) = self.candidate.take_if(|server| server.number == number) {
            self.candidate_failed(now, server, &format!("the new server ends before it is ready ({status})"));
        }
        if let Some(server) = self.current.take_if(|server| server.number == number) {
            if now - server.begun > PAUSES.1 {
                self.pause = PAUSES.0;
            }
            let words = format!("the server has ended ({status}); it is started again in {}", seconds(self.pause));
            self.report("ended", Tone::Bad, words, Value::Null);
            self.restart_later(now);
        }
    }

    /// The candidate has failed: the current server stays, or the last good program is run again.
    fn candidate_failed(&mut self, now: Instant, server: Server, why: &str) {
        let is_other = self.last_good.as_ref().is_some_and(|good| *good != server.program);
        let stays = match &self.current {
            Some(_) => "; the old one stays",
            None if is_other => "; the last good one is run again",
            None => "; waiting for a change",
        };
        self.report("crashed", Tone::Bad, format!("{why}{stays}"), json!({"lines": server.lines}));
        self.forget(&server.program);
        if self.current.is_none() && is_other {
            self.restart_later(now);
        }
        self.exit_if_once(1);
    }

    fn restart_later(&mut self, now: Instant) {
        self.restart = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    fn terminate(&mut self, now: Instant, server: Server) {
        self.act(Action::Terminate(server.number));
        self.leaving.push(Server { told_to_end: Some(now), ..server });
    }

    /// Removes the copy of a program, unless something runs it or may run it.
    fn forget(&mut self, program: &Program) {
        let servers = self.current.iter().chain(&self.candidate).chain(&self.leaving).map(|server| &server.program);
        if servers.chain(&self.last_good).all(|other| other.executable != program.executable) {
            self.act(Action::Remove(program.executable.clone()));
        }
    }

    fn key(&mut self, now: Instant, key: char) {
        match key {
            'q' => self.act(Action::Exit(0)),
            'b' => self.begin_build(now),
            'r' => {
                if let Some(program) = self.last_good.clone() {
                    self.start(now, program);
                }
            }
            't' => self.run_check("test", &["test", "--quiet", "--workspace"]),
            'o' => self.act(Action::Open(self.settings.url.clone())),
            'c' => self.act(Action::Clear),
            'p' => {
                self.is_paused = !self.is_paused;
                let words = if self.is_paused { "paused; p goes on" } else { "goes on" };
                self.report("paused", Tone::Plain, words, json!({"paused": self.is_paused}));
            }
            'h' | '?' => self.report("help", Tone::Plain, HELP, Value::Null),
            _ => {}
        }
    }

    /// Everything but the checks is done: with `once`, the watch ends as soon as they are.
    fn exit_once_checked(&mut self) {
        self.is_served = true;
        if self.checks.is_empty() {
            self.exit_if_once(self.code);
        }
    }

    fn exit_if_once(&mut self, code: u8) {
        if self.settings.once {
            self.act(Action::Exit(code));
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn report(&mut self, event: &'static str, tone: Tone, words: impl Into<String>, more: Value) {
        self.act(Action::Report(Report { event, tone, words: words.into(), more }));
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }
}

impl Server {
    /// The instant at which it is ended, if it was told to end.
    fn ends_at(&self) -> Option<Instant> {
        self.told_to_end.map(|told| told + END)
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A watch in time that a test moves.
    struct Watched {
        core: Core,
        now: Instant,
    }

    impl Watched {
        fn new(change: impl FnOnce(&mut Settings)) -> Self {
            let mut settings = Settings {
                once: false,
                serves: true,
                tests: None,
                clippy: false,
                ready: Duration::from_secs(20),
                url: "http://here/".into(),
                pages: "http://pages".into(),
                copies: "copy-".into(),
            };
            change(&mut settings);
            Self { core: Core::new(settings), now: Instant::now() }
        }

        /// One whose server, of number 2, answers.
        fn serving() -> Self {
            let mut watched = Self::new(|_| {});
            watched.next(Event::Begin);
            watched.builds(1, 7);
            watched.next(Event::State(2, READY.into()));
            watched
        }

        /// The actions after an event, without what is shown.
        fn next(&mut self, event: Event) -> Vec<Action> {
            let actions = self.core.next(self.now, event);
            let is_shown = |action: &Action| matches!(action, Action::Report(_) | Action::Line(..));
            actions.into_iter().filter(|action| !is_shown(action)).collect()
        }

        /// The words that an event has shown.
        fn says(&mut self, event: Event) -> Vec<String> {
            let words = |action| match action {
                Action::Report(report) => Some(report.words),
                _ => None,
            };
            self.core.next(self.now, event).into_iter().filter_map(words).collect()
        }

        fn builds(&mut self, number: u64, fingerprint: u64) -> Vec<Action> {
            self.next(Event::Built(number, Ok(Program { executable: "built".into(), fingerprint })))
        }

        fn fails(&mut self, number: u64) -> Vec<Action> {
            self.next(Event::Built(number, Err(vec![CompilerError::default()])))
        }

        /// Waits until something is due.
        fn waits(&mut self) -> Vec<Action> {
            self.now = self.core.due().expect("something is waited for");
            self.next(Event::Due)
        }
    }

    fn starts(number: u64, copy: &str) -> Action {
        Action::Start(number, copy.into())
    }

    #[test]
    fn a_good_build_is_copied_and_started_and_answers_once_it_is_ready() {
        let mut watched = Watched::new(|_| {});
        assert_eq!(watched.next(Event::Begin), [Action::Build(1)]);
        let copy = Action::Copy { from: "built".into(), to: "copy-1".into() };
        assert_eq!(watched.builds(1, 7), [Action::Errors(Vec::new()), copy, starts(2, "copy-1")]);
        assert_eq!(watched.next(Event::State(2, "STATUS=starting".into())), []);
        assert_eq!(watched.next(Event::State(2, READY.into())), [Action::Serving(2)]);
    }

    #[test]
    fn many_changes_are_one_build_and_a_change_while_it_builds_begins_it_again() {
        let mut watched = Watched::serving();
        watched.next(Event::Changed(vec!["server/src/a.rs".into(), "README.md".into()]));
        watched.next(Event::Changed(vec!["server/src/b.rs".into()]));
        assert_eq!(watched.waits(), [Action::Build(3)]);
        watched.next(Event::Changed(vec!["server/src/a.rs".into()]));
        assert_eq!(watched.waits(), [Action::CancelBuild, Action::Build(4)]);
        assert_eq!(watched.builds(3, 8), [], "it was cancelled");
    }

    #[test]
    fn the_page_is_loaded_again_without_a_build_and_style_sheets_are_taken_over() {
        let mut watched = Watched::serving();
        watched.next(Event::Changed(vec!["static/style.css".into()]));
        assert_eq!(watched.waits(), [Action::Style("static/style.css".into())]);
        watched.next(Event::Changed(vec!["static/index.html".into()]));
        assert_eq!(watched.waits(), [Action::Reload]);
    }

    #[test]
    fn a_new_server_takes_the_place_of_the_old_one_when_it_is_ready_or_waits_for_its_data() {
        for state in [READY, WAITING] {
            let mut watched = Watched::serving();
            watched.next(Event::Key('b'));
            assert!(watched.builds(3, 8).contains(&starts(4, "copy-3")));
            assert_eq!(watched.next(Event::State(4, state.into()))[0], Action::Terminate(2));
        }
    }

    #[test]
    fn the_copy_of_a_server_that_made_room_is_kept_because_it_may_be_run_again() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        watched.builds(3, 8);
        watched.next(Event::State(4, WAITING.into()));
        assert_eq!(watched.next(Event::Ended(2, "0".into())), []);
    }

    #[test]
    fn the_copy_of_a_server_that_was_replaced_is_removed_when_it_has_ended() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        watched.builds(3, 8);
        watched.next(Event::State(4, READY.into()));
        assert_eq!(watched.next(Event::Ended(2, "0".into())), [Action::Remove("copy-1".into())]);
    }

    #[test]
    fn a_server_that_does_not_end_is_killed_once() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        watched.builds(3, 8);
        watched.next(Event::State(4, READY.into()));
        let told = watched.now;
        assert_eq!(watched.waits(), [Action::Kill(2)]);
        assert_eq!((watched.now, watched.core.due()), (told + END, None));
    }

    #[test]
    fn the_same_program_is_not_started_again() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        assert_eq!(watched.builds(3, 7), [Action::Errors(Vec::new())]);
    }

    #[test]
    fn a_build_that_fails_leaves_the_old_server_and_is_shown_on_the_page() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        assert_eq!(watched.fails(3), [Action::Errors(vec![CompilerError::default()])]);
    }

    #[test]
    fn a_server_that_is_never_ready_is_killed_and_the_old_one_stays() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        watched.builds(3, 8);
        assert_eq!(watched.waits(), [Action::Kill(4), Action::Remove("copy-3".into())]);
        assert_eq!(watched.next(Event::State(4, READY.into())), [], "too late");
    }

    #[test]
    fn a_server_that_fails_after_the_old_one_made_room_brings_the_last_good_one_back() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('b'));
        watched.builds(3, 8);
        watched.next(Event::State(4, WAITING.into()));
        watched.next(Event::Line(4, "no".into()));
        let crashed = Event::Ended(4, "exit status: 1".into());
        let words = "the new server ends before it is ready (exit status: 1); the last good one is run again";
        assert_eq!(watched.says(crashed), [words]);
        assert_eq!(watched.waits(), [starts(5, "copy-1")]);
    }

    #[test]
    fn a_server_that_ends_by_itself_is_started_again_each_time_later_until_it_lives_long() {
        let mut watched = Watched::serving();
        let mut pauses = Vec::new();
        for number in 2..11 {
            let ended = watched.now;
            watched.next(Event::Ended(number, "signal: 9".into()));
            assert_eq!(watched.waits(), [starts(number + 1, "copy-1")]);
            pauses.push((watched.now - ended).as_secs_f64());
            watched.next(Event::State(number + 1, READY.into()));
        }
        assert_eq!(pauses, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        watched.now += PAUSES.1 + Duration::from_secs(1);
        let words = "the server has ended (0); it is started again in 0.2 s";
        assert_eq!(watched.says(Event::Ended(11, "0".into())), [words]);
    }

    #[test]
    fn checks_run_beside_the_server_and_the_next_build_cancels_them() {
        let mut watched = Watched::new(|settings| settings.tests = Some("tidy".into()));
        watched.next(Event::Begin);
        let arguments = ["test", "--quiet", "--workspace", "tidy"].map(String::from).to_vec();
        assert_eq!(watched.builds(1, 7)[1], Action::Check(2, "test", arguments));
        assert_eq!(watched.next(Event::Key('b')), [Action::CancelChecks, Action::Build(4)]);
        assert_eq!(watched.says(Event::Checked(2, "test", false)), [""; 0]);
    }

    #[test]
    fn paused_nothing_is_built_until_it_goes_on() {
        let mut watched = Watched::serving();
        watched.next(Event::Key('p'));
        watched.next(Event::Changed(vec!["server/src/a.rs".into()]));
        assert_eq!(watched.core.due(), None);
        watched.now += Duration::from_secs(60);
        assert_eq!(watched.next(Event::Key('p')), [Action::Build(3)]);
    }

    #[test]
    fn once_ends_with_1_if_the_build_the_server_or_a_check_fails_and_with_0_otherwise() {
        let begun = |change: fn(&mut Settings)| {
            let mut watched = Watched::new(|settings| {
                settings.once = true;
                change(settings);
            });
            watched.next(Event::Begin);
            watched
        };
        assert_eq!(begun(|_| {}).fails(1).last(), Some(&Action::Exit(1)));
        assert_eq!(begun(|settings| settings.serves = false).builds(1, 7).last(), Some(&Action::Exit(0)));
        for (state, code) in [(Event::State(2, READY.into()), 0), (Event::Ended(2, "1".into()), 1)] {
            let mut watched = begun(|_| {});
            watched.builds(1, 7);
            assert_eq!(watched.next(state).last(), Some(&Action::Exit(code)));
        }
        let mut watched = begun(|settings| settings.clippy = true);
        watched.builds(1, 7);
        assert_eq!(watched.next(Event::State(3, READY.into())), [Action::Serving(3)]);
        assert_eq!(watched.next(Event::Checked(2, "clippy", false)), [Action::Exit(1)]);
    }

    #[test]
    fn signals_and_q_end_the_watch() {
        for (event, code) in [(Event::Key('q'), 0), (Event::Signal(2), 130), (Event::Signal(15), 143)] {
            assert_eq!(Watched::serving().next(event), [Action::Exit(code)]);
        }
    }
}
