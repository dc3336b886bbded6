//! The flags for how a server is reached, what is asked of it, and what we are over TLS.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// How a server is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the server is reached")]
pub(crate) struct Reach {
    /// How long connecting may take, and the handshake, and the answer to our close.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,
    /// Use this address for a host and port, instead of asking for it.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = parse_resolve)]
    pub(crate) resolve: Vec<Resolve>,
    /// Connect to this unix socket; the URL still says host and path.
    #[arg(long, value_name = "PATH", conflicts_with = "proxy")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Go through a proxy: http://, socks5:// (names are looked up here) or socks5h:// (by the proxy), [USER:PASSWORD@]HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// With wss://, trust whoever answers.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// With wss://, trust these certificates (PEM) instead of the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,
    /// Our certificate (PEM), for a server that asks for one.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of our certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the server is asked for and must have, instead of the URL's host; off sends none.
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
}

/// An address that a host's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolve {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) address: IpAddr,
}

fn parse_resolve(text: &str) -> Result<Resolve, String> {
    let parts: Vec<&str> = text.splitn(3, ':').collect();
    let [host, port, address] = parts[..] else { return Err("it is HOST:PORT:ADDRESS".into()) };
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let address = address.trim_matches(['[', ']']).parse().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok(Resolve { host: host.to_owned(), port, address })
}

/// What stands in the request.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What stands in the request")]
pub(crate) struct Ask {
    /// A header, "Name: value"; one that stands there already is replaced, and with no value left out.
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A sub-protocol that is offered.
    #[arg(short, long, value_name = "NAME", visible_alias = "protocol")]
    pub(crate) subprotocol: Vec<String>,
    /// The Origin.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// User and password, NAME:PASSWORD (RFC 7617).
    #[arg(short, long, value_name = "USER", visible_alias = "auth")]
    pub(crate) user: Option<String>,
    /// A token (RFC 6750).
    #[arg(long, value_name = "TOKEN", conflicts_with = "user")]
    pub(crate) bearer: Option<String>,
    /// Cookies, "NAME=VALUE; …".
    #[arg(long, value_name = "COOKIES")]
    pub(crate) cookie: Option<String>,
    /// Offer compression, and compress what is sent where it is agreed on (RFC 7692).
    #[arg(long, value_name = "OFFER", num_args = 0..=1, require_equals = true, default_missing_value = "permessage-deflate")]
    pub(crate) deflate: Option<String>,
}

/// What we are to clients over TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct Identity {
    /// Our certificate (PEM): clients come with wss://.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of it (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}
