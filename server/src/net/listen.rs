//! Listening sockets: TCP, unix, or inherited from systemd or `cargo xtask watch`, and the connections they accept.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use smol::Async;

use crate::log::Gate;
use crate::net::socket::Stream;

/// Pause of the accept loop after an error such as EMFILE, which does not go away by trying again at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and port.
    Tcp(String),
    /// A unix socket; a stale one of a dead server is replaced.
    Unix(PathBuf),
    /// The first socket passed on by LISTEN_FDS (`sd_listen_fds(3)`).
    Systemd,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err("a unix socket is written unix:/PATH with an absolute path".into())
            };
        }
        let port = text.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        match port {
            Some(Ok(_)) => Ok(Self::Tcp(text.into())),
            _ => Err("expected HOST:PORT, unix:/PATH or systemd".into()),
        }
    }
}

/// A socket that accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(Async<TcpListener>),
    /// Unix; its path is removed when the listener is dropped, unless it was inherited.
    Unix(Async<UnixListener>, Option<PathBuf>),
}

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// If the address cannot be listened on, with the address and what to do in the message.
    pub fn bind(address: &Address) -> anyhow::Result<Self> {
        match address {
            Address::Tcp(text) => {
                let context = || format!("cannot listen on {text}; is another server running there?");
                let addresses: Vec<SocketAddr> = text.to_socket_addrs().with_context(context)?.collect();
                Ok(Self::Tcp(Async::new(TcpListener::bind(&addresses[..]).with_context(context)?)?))
            }
            Address::Unix(path) => {
                let context = || format!("cannot listen on unix:{}", path.display());
                remove_stale(path).with_context(context)?;
                let listener = UnixListener::bind(path).with_context(context)?;
                Ok(Self::Unix(Async::new(listener)?, Some(path.clone())))
            }
            Address::Systemd => Self::inherited(),
        }
    }

    fn inherited() -> anyhow::Result<Self> {
        let mut passed = listenfd::ListenFd::from_env();
        if let Ok(Some(listener)) = passed.take_tcp_listener(0) {
            return Ok(Self::Tcp(Async::new(listener)?));
        }
        if let Ok(Some(listener)) = passed.take_unix_listener(0) {
            return Ok(Self::Unix(Async::new(listener)?, None));
        }
        anyhow::bail!("no socket was passed on (LISTEN_FDS, LISTEN_PID); start it from a systemd socket unit")
    }

    /// The address for people: a URL, or the path of a unix socket.
    pub fn url(&self, base_path: &str) -> String {
        match self {
            Self::Tcp(listener) => match listener.get_ref().local_addr() {
                Ok(address) => format!("http://{address}{base_path}"),
                Err(_) => format!("http://?{base_path}"),
            },
            Self::Unix(listener, _) => {
                let address = listener.get_ref().local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.map_or("?".into(), |path| path.display().to_string()))
            }
        }
    }

    /// Whether only this machine reaches it, over TCP: a page of any site could, by a browser here.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(listener) => {
                listener.get_ref().local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
            Self::Unix(..) => false,
        }
    }

    /// The next connection. No error ends the listener: it is logged, and after a rest the next one is awaited.
    pub async fn accept(&self) -> Stream {
        loop {
            // The streams are not registered with the listener's reactor: their workers have their own.
            let accepted = match self {
                Self::Tcp(listener) => listener.read_with(TcpListener::accept).await.and_then(|it| Stream::tcp(it.0)),
                Self::Unix(listener, _) => {
                    listener.read_with(UnixListener::accept).await.and_then(|it| Stream::unix(it.0))
                }
            };
            match accepted {
                Ok(stream) => return stream,
                Err(error) => {
                    static LINES: Gate = Gate::new();
                    if let Some(suppressed) = LINES.admit() {
                        tracing::warn!(%error, suppressed, "a connection could not be accepted");
                    }
                    smol::Timer::after(ACCEPT_REST).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes the socket of a dead server; one that answers is left alone, and so is any other kind of file.
fn remove_stale(path: &PathBuf) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() { std::fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_when_they_are_typed() {
        assert_eq!("127.0.0.1:0".parse(), Ok(Address::Tcp("127.0.0.1:0".into())));
        assert_eq!("[::1]:80".parse(), Ok(Address::Tcp("[::1]:80".into())));
        assert_eq!("unix:/run/ink".parse(), Ok(Address::Unix("/run/ink".into())));
        assert_eq!("systemd".parse(), Ok(Address::Systemd));
        for wrong in ["", "8081", ":80", "host:", "host:99999", "unix:relative", "unix:"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
