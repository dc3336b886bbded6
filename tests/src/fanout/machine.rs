//! What the machine knows of a server: its processor time, its system calls; and which core runs whom.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Does something on one core; what it starts stays there. Where there is only one core, on that.
pub(super) fn on_core<T>(core: usize, act: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
    let result = act();
    let _ = before.and_then(|before| sched_setaffinity(None, &before));
    result
}

/// Processor time that a process has used.
///
/// # Panics
/// If it is gone.
pub(super) fn processor_time(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the server is there");
    let nanoseconds = tasks.flatten().filter_map(|task| {
        // proc(5): time spent on the processor, in nanoseconds, comes first.
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Counts the system calls of a process; it is much slower meanwhile.
#[derive(Debug)]
pub(super) struct Counting(std::process::Child);

impl Counting {
    /// Begins; `None` where there is no strace or it may not.
    pub(super) fn begin(process: u32) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["--follow-forks", "--summary-only", "--summary-columns=calls,name", "--attach"]);
        command.arg(process.to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
        Some(Self(command.spawn().ok()?))
    }

    /// How many there were.
    pub(super) fn end(self) -> Option<u64> {
        kill_process(Pid::from_child(&self.0), Signal::INT).ok()?;
        let output = self.0.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let total = text.lines().rev().find(|line| line.trim_end().ends_with("total"))?;
        total.split_whitespace().next()?.parse().ok()
    }
}

/// Raises the soft limit of descriptors to the hard one.
pub fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What was measured on: processor, cores, kernel.
pub(super) fn description() -> String {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = text("/proc/cpuinfo");
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let kernel = text("/proc/sys/kernel/osrelease");
    format!("{}, {cores} cores, Linux {}", model.trim_start_matches(['\t', ' ', ':']), kernel.trim())
}
