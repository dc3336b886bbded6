//! A program that reads messages: each on its standard input, and what it says on its standard output.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use wsinspect::frame::Sender;
use wsinspect::frame::message::Message;
use wsinspect::view::decoder::Decode;

/// Most bytes that are taken of its output.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Maximum time of the program; then it is ended.
const PATIENCE: Duration = Duration::from_secs(1);
/// Interval of looking at it until then.
const LOOK: Duration = Duration::from_millis(1);

/// A command line for the shell.
#[derive(Debug)]
pub(crate) struct Program {
    command: String,
}

impl Program {
    pub(crate) fn new(command: &str) -> Self {
        Self { command: command.to_owned() }
    }

    fn run(&self, sender: Sender, message: &Message) -> Result<Vec<Value>, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.command);
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .env("WSINSPECT_DIR", if sender == Sender::Client { "send" } else { "receive" })
            .env("WSINSPECT_OP", message.opcode.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (mut stdin, stdout, data) = (child.stdin.take(), child.stdout.take(), message.data.clone());
        // Written beside the reading: a program may say something before it has read everything.
        let writing = std::thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&data)));
        let reading = std::thread::spawn(move || {
            let mut out = Vec::new();
            stdout.map(|stdout| stdout.take(LONGEST).read_to_end(&mut out));
            out
        });
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => {
                    // What it has left in the background would hold its standard output.
                    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                    break status;
                }
                None if begun.elapsed() > PATIENCE => {
                    // With all that the shell has started, which hold its standard output.
                    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                    let _ = child.wait();
                    return Err(format!("{} takes longer than {PATIENCE:?}", self.command));
                }
                None => std::thread::park_timeout(LOOK),
            }
        };
        let out = reading.join().unwrap_or_default();
        let _ = writing.join();
        if !status.success() {
            return Err(format!("{} ends with {status}", self.command));
        }
        let text = String::from_utf8_lossy(&out);
        let value = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| line.into());
        Ok(text.lines().map(value).collect())
    }
}

impl Decode for Program {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn decode(&mut self, sender: Sender, message: &Message) -> Option<Result<Vec<Value>, String>> {
        (!message.opcode.is_control()).then(|| self.run(sender, message))
    }
}
