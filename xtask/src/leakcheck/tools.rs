//! `--doctor`: which tools are there, and what to type where one is not.

use super::finding::Check;
use super::{asan, miri, valgrind};

/// Why a check cannot be made here; with what it is made, where it can.
///
/// # Errors
/// A missing tool, and the command that installs it.
pub(super) fn examine(check: Check) -> Result<String, String> {
    match check {
        Check::Growth | Check::Memcheck => match valgrind::missing() {
            Some(why) => Err(why),
            None => Ok("valgrind and vgdb are there".into()),
        },
        Check::Asan => {
            let toolchain = asan::toolchain()?;
            let symbolizer = asan::symbolizer()
                .ok_or("neither llvm-symbolizer nor addr2line is there; type: apt-get install binutils")?;
            Ok(format!("{}, lines by {}", toolchain.version, symbolizer.display()))
        }
        Check::Slope => match std::path::Path::new("/proc/self/smaps_rollup").exists() {
            true => Ok("/proc/PID/smaps_rollup is there".into()),
            false => Err("/proc/PID/smaps_rollup is not there: it takes Linux 4.14".into()),
        },
        Check::Miri => miri::toolchain().map(|arguments| format!("cargo {} miri", arguments.join(" "))),
    }
}
