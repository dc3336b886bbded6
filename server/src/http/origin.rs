//! Which sites' pages may open a connection (RFC 6454, RFC 6455 section 10.2).

use std::fmt;
use std::str::FromStr;

/// An origin: scheme, host and port, in lower case, without a default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    authority: String,
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an origin; it is written scheme://host or scheme://host:port");
        let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if !matches!(scheme, "http" | "https") || authority.is_empty() || !authority.bytes().all(plain) {
            return Err(wrong());
        }
        Ok(Self { scheme: scheme.into(), authority: without_default_port(scheme, authority) })
    }
}

fn without_default_port(scheme: &str, authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(&authority).to_owned()
}

impl Origin {
    /// Whether this is an origin of the host that a request names. The scheme is not known there, because a proxy may have taken TLS
    /// off.
    pub(super) fn is_of(&self, host: &str) -> bool {
        self.authority == without_default_port(&self.scheme, host)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_of_the_host_that_served_it_whatever_the_scheme() {
        let is_of = |origin: &str, host| origin.parse::<Origin>().is_ok_and(|origin| origin.is_of(host));
        assert!(is_of("http://ink.example:8081", "ink.example:8081"));
        assert!(is_of("https://INK.example:443", "ink.example"));
        assert!(is_of("https://ink.example", "ink.example"), "behind a proxy with TLS");
        for other in
            ["null", "", "http://ink.example", "http://ink.example:8081.evil", "http://friend.example", "file://x"]
        {
            assert!(!is_of(other, "ink.example:8081"), "{other}");
        }
    }
}
