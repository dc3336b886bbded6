//! The names by which requests may call this server: what keeps pages of another site from reaching it by DNS rebinding.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http_types::StatusCode;

use super::origin::Origin;
use super::reply::Reply;

/// An address of the site as browsers see it: an origin, and the path below which the site lives where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Scheme, host and port.
    pub origin: Origin,
    /// The path, with a slash at both ends.
    pub path: Option<String>,
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a public URL; it is written https://host/ or https://host:port/path/");
        let start = text.find("://").ok_or_else(wrong)? + 3;
        let (origin, path) = text.split_at(text[start..].find('/').map_or(text.len(), |at| start + at));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
        if !path.bytes().all(plain) || path.contains("//") {
            return Err(wrong());
        }
        let path = (!path.is_empty()).then(|| format!("{}/", path.trim_end_matches('/')));
        Ok(Self { origin: origin.parse().map_err(|_| wrong())?, path })
    }
}

/// The hosts that a listener accepts, and the origins whose pages may connect to it.
#[derive(Debug, Clone)]
pub struct Hosts {
    /// The origins of the public URLs.
    public: Vec<Origin>,
    /// Other sites whose pages may connect.
    allowed: Vec<Origin>,
    /// Any host is accepted, because none could be the cause of harm or because a proxy decides.
    accepts_any: bool,
    /// `localhost` and IP addresses are accepted: no other site's page can be behind those.
    accepts_local: bool,
}

impl Hosts {
    /// The hosts of the site. Without a public URL, a listener on loopback accepts local ones only, unless it is behind a proxy, and
    /// any other listener accepts all.
    pub fn new(public: &[PublicUrl], allowed: Vec<Origin>, is_loopback: bool, behind_proxy: bool) -> Self {
        let is_named = !public.is_empty();
        Self {
            public: public.iter().map(|url| url.origin.clone()).collect(),
            allowed,
            accepts_any: !is_named && (!is_loopback || behind_proxy),
            accepts_local: !is_named,
        }
    }

    /// The same for a listener of its own, which operators reach by its address whatever the site is called.
    #[must_use]
    pub fn also_local(self) -> Self {
        Self { accepts_local: true, ..self }
    }

    /// The same for a listener that no browser reaches.
    #[must_use]
    pub fn any(self) -> Self {
        Self { accepts_any: true, ..self }
    }

    /// Whether a request may name this host. One that names none came in HTTP/1.0, which no browser speaks.
    pub fn accepts(&self, host: &str) -> bool {
        host.is_empty()
            || self.accepts_any
            || (self.accepts_local && is_local(host))
            || self.public.iter().any(|url| url.is_of(host))
    }

    /// The same for a health check or a scrape, which calls a server by its address or by the name of a service, whatever the site
    /// is called. A name without a dot is in no public DNS: no other site can have it point here.
    pub fn accepts_probe(&self, host: &str) -> bool {
        let has_no_dot = !host.contains(['.', '[', ']']);
        has_no_dot || is_local(host) || self.accepts(host)
    }

    /// Whether a request with this Origin header may open a connection: from a page of a public URL or an allowed site, or, without
    /// public URLs, from a page that this host served. Programs send no Origin, and no cookie gives them a right here.
    pub fn allows(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else { return true };
        let Ok(origin) = origin.parse::<Origin>() else { return false };
        let is_own = if self.public.is_empty() { origin.is_of(host) } else { self.public.contains(&origin) };
        is_own || self.allowed.contains(&origin)
    }

    /// The answer to a request that names another host.
    pub fn refusal() -> Reply {
        Reply::text(StatusCode::MisdirectedRequest, Self::REFUSAL)
    }

    /// The text of the refusal.
    pub const REFUSAL: &str = "this server is not known by that Host; --public-url URL names the ones it is known by";
}

/// Whether a host is `localhost` or an IP address, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match v6 {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<PublicUrl> {
        urls.iter().map(|url| url.parse().unwrap()).collect()
    }

    #[test]
    fn public_urls_are_origins_with_a_plain_path() {
        let path = |text: &str| text.parse::<PublicUrl>().map(|url| url.path);
        assert_eq!(path("https://draw.example.org"), Ok(None));
        assert_eq!(path("https://draw.example.org/"), Ok(Some("/".into())));
        assert_eq!(path("http://draw.example.org:8080/draw"), Ok(Some("/draw/".into())));
        for wrong in ["", "draw.example.org", "ftp://a", "https://", "https://a/?x", "https://a/b c", "https://a//b"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_listener_on_loopback_is_known_by_localhost_and_addresses_only() {
        let hosts = Hosts::new(&[], Vec::new(), true, false);
        for local in ["localhost", "LocalHost:8081", "127.0.0.1", "127.0.0.1:8081", "[::1]", "[::1]:8081", "10.0.0.7"] {
            assert!(hosts.accepts(local), "{local}");
        }
        for other in ["rebound.evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8081", "0x7f.1", "[::1"]
        {
            assert!(!hosts.accepts(other), "{other}");
        }
        for open in [Hosts::new(&[], Vec::new(), true, true), Hosts::new(&[], Vec::new(), false, false)] {
            assert!(open.accepts("draw.example.org"), "behind a proxy, and on any other listener");
            assert!(open.allows(Some("https://draw.example.org"), "draw.example.org"));
            assert!(!open.allows(Some("https://evil.example"), "draw.example.org"));
        }
    }

    #[test]
    fn with_public_urls_these_and_no_others_are_accepted_as_host_and_origin() {
        let public = urls(&["https://draw.example.org/", "http://ink.local:8081/"]);
        let hosts = Hosts::new(&public, vec!["https://friend.example".parse().unwrap()], false, true);
        for known in ["draw.example.org", "Draw.Example.org:443", "ink.local:8081"] {
            assert!(hosts.accepts(known), "{known}");
        }
        for other in ["draw.example.org:8081", "ink.local", "evil.example", "127.0.0.1:8081"] {
            assert!(!hosts.accepts(other), "{other}");
        }
        for (host, may) in
            [("10.1.2.3:8081", true), ("inkwire:8081", true), ("[::1]:80", true), ("evil.example", false)]
        {
            assert_eq!(hosts.accepts_probe(host), may, "{host}");
        }
        assert!(hosts.clone().also_local().accepts("127.0.0.1:9000"));
        for (origin, may) in [
            (None, true),
            (Some("https://draw.example.org"), true),
            (Some("http://ink.local:8081"), true),
            (Some("https://friend.example"), true),
            (Some("http://draw.example.org"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
        ] {
            assert_eq!(hosts.allows(origin, "draw.example.org"), may, "{origin:?}");
        }
    }
}
