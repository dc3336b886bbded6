//! `wsinspect connect` on a terminal: somebody types, frames come meanwhile, and neither breaks the other.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::run::{CLOSE, frame, recording, request, response, server};

/// A terminal with the command on it.
struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    device: OwnedFd,
}

impl Terminal {
    fn with(arguments: &[&str], state: &str) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let device = open(ptsname(&near, Vec::new()).unwrap(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let end = || Stdio::from(device.try_clone().unwrap());
        let child = Command::new(assert_cmd::cargo::cargo_bin("wsinspect"))
            .args(arguments)
            .env("XDG_STATE_HOME", recording(state))
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keys = File::from(near);
        let mut reading = keys.try_clone().unwrap();
        let (shows, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read) = reading.read(&mut buffer) {
                if shows.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, screen, shown: String::new(), device }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until something stands on the screen, behind what was waited for before.
    fn shows(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let more = self.screen.recv_timeout(Duration::from_secs(20));
            let more = more.unwrap_or_else(|_| panic!("{text:?} is not shown: {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }
}

#[test]
fn what_comes_stands_above_the_line_that_is_being_typed_and_the_next_time_knows_it() {
    let _ = std::fs::remove_dir_all(recording("typing"));
    // The second time it stands in the history, behind three lines.
    for typed in ["again", "\x1b[A\x1b[A\x1b[A\x1b[A"] {
        let (goes_on, is_told) = channel::<()>();
        let address = server(move |mut stream| {
            let request = request(&mut stream);
            stream.write_all(&response(&request)).unwrap();
            is_told.recv().unwrap();
            stream.write_all(&[0x81, 5, b'a', b'b', b'o', b'v', b'e']).unwrap();
            assert_eq!(frame(&mut stream), (0x81, b"again".to_vec()), "the line is whole");
            assert_eq!(frame(&mut stream), (0x89, b"?".to_vec()));
            assert_eq!(frame(&mut stream), (0x88, b"\x0f\xa1enough".to_vec()));
            stream.write_all(&CLOSE).unwrap();
        });
        let mut terminal = Terminal::with(&[&format!("ws://{address}"), "--color", "never"], "typing");
        terminal.shows("101 Switching Protocols");
        terminal.shows("> ");
        let (half, rest) = typed.split_at(if typed == "again" { 3 } else { typed.len() });
        terminal.types(half);
        terminal.shows(if typed == "again" { "aga" } else { "again" });
        goes_on.send(()).unwrap();
        terminal.shows("\"above\"");
        terminal.shows(if typed == "again" { "> aga" } else { "> again" });
        terminal.types(&format!("{rest}\r"));
        terminal.shows("--> text   FIN,MASK              5  \"again\"");
        terminal.types("/nonsense\r");
        terminal.shows("/nonsense is not known");
        terminal.types("/ping ?\r");
        terminal.shows("--> ping ");
        terminal.types("/close 4001 enough\r");
        terminal.shows("was answered");
        assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
        let after = tcgetattr(&terminal.device).unwrap();
        assert!(after.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO), "the terminal is as it was");
    }
}
