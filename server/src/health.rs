//! `inkwire health`: asks a running server whether it is ready, for containers, which have no other program to ask with.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, bail};

/// Maximum time of the server for each step.
const PATIENCE: Duration = Duration::from_secs(4);
/// Most of a reply that is read, in bytes: its first line is what counts.
const MOST: u64 = 1024;

/// Asks, and says nothing where the answer is a success.
///
/// # Errors
/// If the address is invalid, no server answers, or the answer is no success.
pub fn run(url: &str) -> anyhow::Result<()> {
    let rest = url.strip_prefix("http://").context("an address is written http://HOST:PORT/PATH")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/readyz" } else { path };
    if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        bail!("{url:?} holds a blank or a control character");
    }
    let addresses: Vec<_> =
        authority.to_socket_addrs().with_context(|| format!("{authority} is no HOST:PORT"))?.collect();
    let ask = || -> io::Result<String> {
        let mut stream = connect(&addresses)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
        let mut reply = Vec::new();
        stream.take(MOST).read_to_end(&mut reply)?;
        Ok(String::from_utf8_lossy(&reply).lines().next().unwrap_or_default().to_owned())
    };
    let status = ask().with_context(|| format!("{url} does not answer"))?;
    if !status.starts_with("HTTP/1.1 2") {
        bail!("{url} answers {status:?}");
    }
    Ok(())
}

/// To the first that accepts: `localhost` is ::1 too, where nobody may listen.
fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut refusal = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}
