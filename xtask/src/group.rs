//! Process groups, and a guard that ends them however this process ends.
//!
//! The guard is another process of this program: it holds the other end of a pipe, learns of every group, and when the pipe
//! ends, because this process has ended or was killed, it ends them too.

use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// The command of the guard; it is not for people.
pub(crate) const GUARD: &str = "guard";
/// Maximum time of a group to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(3);

/// Knows the groups that run.
#[derive(Clone)]
pub(crate) struct Guard {
    pipe: Arc<Mutex<ChildStdin>>,
}

/// A process group; it is ended when nobody has it any more.
pub(crate) struct Group {
    leader: Pid,
    guard: Guard,
}

impl Guard {
    /// Starts the guard, in a group of its own, so that what ends this one leaves it alone.
    ///
    /// # Errors
    /// If this program cannot be started once more.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(GUARD).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let pipe = command.spawn()?.stdin.take().ok_or_else(|| anyhow::anyhow!("the guard has no pipe"))?;
        Ok(Self { pipe: Arc::new(Mutex::new(pipe)) })
    }

    /// The group of a child that leads one.
    pub(crate) fn of(&self, child: &Child) -> Group {
        let leader = Pid::from_child(child);
        self.tell('+', leader);
        Group { leader, guard: self.clone() }
    }

    fn tell(&self, sign: char, leader: Pid) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(pipe, "{sign}{}", leader.as_raw_nonzero());
    }
}

impl Group {
    /// Asks all of them to end.
    pub(crate) fn terminate(&self) {
        let _ = kill_process_group(self.leader, Signal::TERM);
    }

    /// Ends all of them.
    pub(crate) fn kill(&self) {
        let _ = kill_process_group(self.leader, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.guard.tell('-', self.leader);
    }
}

/// The work of the guard: waits for the end, and ends the groups that are left.
pub(crate) fn guard() {
    let mut groups = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let leader = line.get(1..).and_then(|text| text.parse().ok()).and_then(Pid::from_raw);
        match (line.as_bytes().first(), leader) {
            (Some(b'+'), Some(leader)) => groups.push(leader),
            (_, Some(leader)) => groups.retain(|other| *other != leader),
            _ => {}
        }
    }
    for signal in [Signal::TERM, Signal::KILL] {
        groups.retain(|leader| kill_process_group(*leader, signal).is_ok());
        let mut left = PATIENCE;
        while !groups.is_empty() && signal == Signal::TERM && !left.is_zero() {
            thread::sleep(Duration::from_millis(50));
            left = left.saturating_sub(Duration::from_millis(50));
            groups.retain(|leader| rustix::process::test_kill_process_group(*leader).is_ok());
        }
    }
}
