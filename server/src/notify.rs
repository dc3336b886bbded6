//! Notifies the service manager (`sd_notify(3)`), which is systemd or `cargo xtask watch`: ready, stopping, alive.
//!
//! Not the crate sd-notify: 0.5 knows no abstract socket, which `NOTIFY_SOCKET` may name.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Sends a state such as `READY=1` to `NOTIFY_SOCKET`; does nothing if there is none.
pub(crate) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(path.as_encoded_bytes(), state) {
        tracing::warn!(%error, "NOTIFY_SOCKET could not be told {state}");
    }
}

/// Returns the time between two notifications of a watchdog, half its timeout (`sd_watchdog_enabled(3)`); `None` if this process has
/// none.
pub(crate) fn watchdog() -> Option<Duration> {
    let variable = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = variable("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let patience = Duration::from_micros(variable("WATCHDOG_USEC").filter(|_| is_meant)?);
    (!patience.is_zero()).then_some(patience / 2)
}

fn send(path: &[u8], state: &str) -> std::io::Result<()> {
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::path::Path::new(std::ffi::OsStr::new(
            std::str::from_utf8(path).map_err(|_| std::io::ErrorKind::InvalidInput)?,
        )))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
