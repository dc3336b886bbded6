//! The route to a board: the address of its page, and the way to its socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http_types::Url;
use inkwire_protocol::Token;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::name::BoardName;

/// Maximum time for a connection to be made, and for the answer to the handshake.
const OPEN: Duration = Duration::from_secs(10);

/// The address of a board's page.
#[derive(Debug, Clone)]
pub struct Route {
    url: Url,
    board: BoardName,
    token: Option<Token>,
}

/// An address that is not that of a board's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// It is not an address at all, or not of the web.
    #[error("not an address like http://HOST/b/NAME")]
    Url,
    /// Its path names no board.
    #[error("its path does not end in b/NAME, with a name of 1 to 64 of A-Z a-z 0-9 _ -")]
    Board,
    /// The text after `#t=` is no secret of a link.
    #[error("what stands behind #t= is not 32 hex digits")]
    Token,
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let url = Url::parse(text).map_err(|_| RouteError::Url)?;
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
            return Err(RouteError::Url);
        }
        let (before, name) = url.path().rsplit_once('/').ok_or(RouteError::Board)?;
        let board = name.parse().map_err(|_| RouteError::Board)?;
        if before != "/b" && !before.ends_with("/b") {
            return Err(RouteError::Board);
        }
        let token = match url.fragment().and_then(|fragment| fragment.strip_prefix("t=")) {
            Some(digits) => Some(Token::of_digits(digits).ok_or(RouteError::Token)?),
            None => None,
        };
        Ok(Self { url, board, token })
    }
}

impl fmt::Display for Route {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        url.set_fragment(None);
        url.fmt(f)
    }
}

impl Route {
    /// The secret of the link, where it has one.
    pub(super) fn token(&self) -> Option<Token> {
        self.token
    }

    fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The address of the board's socket.
    pub(super) fn socket_url(&self) -> String {
        let scheme = if self.is_tls() { "wss" } else { "ws" };
        let port = self.url.port().map_or_else(String::new, |port| format!(":{port}"));
        let base = self.url.path().rsplit_once("/b/").map_or("", |(base, _)| base);
        format!("{scheme}://{}{port}{base}/ws/{}", self.url.host_str().unwrap_or_default(), self.board)
    }

    /// Connects to the server.
    pub(super) fn open(&self) -> anyhow::Result<Stream> {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let named = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = (named, port).to_socket_addrs().with_context(|| format!("{host} is not known"))?;
        let mut last = anyhow!("{host} has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, OPEN) {
                Ok(stream) => return self.secured(stream, named),
                Err(error) => last = anyhow::Error::from(error).context(format!("{host}:{port}")),
            }
        }
        Err(last)
    }

    fn secured(&self, stream: TcpStream, host: &str) -> anyhow::Result<Stream> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(OPEN))?;
        stream.set_write_timeout(Some(OPEN))?;
        if !self.is_tls() {
            return Ok(Stream::Plain(stream));
        }
        let name = ServerName::try_from(host.to_owned())?;
        let connection = ClientConnection::new(Arc::new(tls()?), name)?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, stream))))
    }
}

/// TLS with the roots that this machine trusts.
fn tls() -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A connection to a server, with TLS or without.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// From now on a read waits at most so long.
    pub(super) fn wait_at_most(&self, wait: Duration) -> io::Result<()> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        };
        stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(url: &str) -> Result<String, RouteError> {
        url.parse().map(|route: Route| route.socket_url())
    }

    #[test]
    fn the_address_of_a_page_says_where_its_socket_is() {
        assert_eq!(socket("http://127.0.0.1:8081/b/x").as_deref(), Ok("ws://127.0.0.1:8081/ws/x"));
        assert_eq!(
            socket("https://draw.example.org/draw/b/x_1#t=00112233445566778899aabbccddeeff").as_deref(),
            Ok("wss://draw.example.org/draw/ws/x_1")
        );
        assert_eq!(socket("http://[::1]:9/b/x#3,4,1").as_deref(), Ok("ws://[::1]:9/ws/x"));
    }

    #[test]
    fn what_is_no_address_of_a_board_is_refused_by_name_and_no_secret_is_shown() {
        for (text, error) in [
            ("draw.example.org/b/x", RouteError::Url),
            ("ftp://draw.example.org/b/x", RouteError::Url),
            ("http://draw.example.org/", RouteError::Board),
            ("http://draw.example.org/b/a%20b", RouteError::Board),
            ("http://draw.example.org/c/x", RouteError::Board),
            ("http://draw.example.org/b/x#t=12", RouteError::Token),
        ] {
            assert_eq!(text.parse::<Route>().err(), Some(error), "{text}");
        }
        let route: Route = "http://h/b/x#t=00112233445566778899aabbccddeeff".parse().unwrap();
        assert_eq!(route.to_string(), "http://h/b/x");
        assert_eq!(route.token().map(|token| token.0[1]), Some(0x11));
    }
}
