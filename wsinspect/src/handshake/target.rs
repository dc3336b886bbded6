//! The target of a WebSocket URL (RFC 6455 section 3).

/// The parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `wss`: over TLS.
    pub is_secure: bool,
    /// The host's name or address; of IPv6 without brackets.
    pub host: String,
    /// 80, or with TLS 443, where the URL says none.
    pub port: u16,
    /// Host and port as the Host header has them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// `USER:PASSWORD` before the host.
    pub user: Option<String>,
}

/// Why a text is no WebSocket URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another scheme.
    #[error("only ws://, wss://, http:// and https:// are understood")]
    Scheme,
    /// Nothing stands where the host should.
    #[error("it has no host")]
    Host,
    /// A port that is none.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// White space or a control character.
    #[error("it has a space or a control character in it; write it as %20 or the like")]
    Character,
}

impl Target {
    /// Reads a URL; http and https are taken for what a page there would connect to. A fragment is left out.
    ///
    /// # Errors
    /// If it is no such URL.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(TargetError::Scheme),
        };
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(TargetError::Character);
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, authority),
        };
        let (host, port) = split(authority)?;
        let port = port.unwrap_or(if is_secure { 443 } else { 80 });
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_secure, host: host.to_owned(), port, authority: authority.to_owned(), path, user })
    }

    /// Returns the URL without path and user.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_secure { "wss" } else { "ws" }, self.authority)
    }
}

/// Host and port of an authority (RFC 3986 section 3.2).
fn split(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(TargetError::Host)?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or(TargetError::Port)?),
        None if port.is_empty() => None,
        None => return Err(TargetError::Host),
    };
    if host.is_empty() { Err(TargetError::Host) } else { Ok((host, port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_found() {
        let target = Target::parse("wss://ada:love@example.org:8443/a/b?c=d#e").unwrap();
        assert_eq!((target.is_secure, target.host.as_str(), target.port), (true, "example.org", 8443));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("example.org:8443", "/a/b?c=d"));
        assert_eq!((target.user.as_deref(), target.origin().as_str()), (Some("ada:love"), "wss://example.org:8443"));
    }

    #[test]
    fn what_a_url_does_not_say_has_a_meaning() {
        let of = |url| Target::parse(url).map(|target| (target.host, target.port, target.path));
        assert_eq!(of("ws://a"), Ok(("a".into(), 80, "/".into())));
        assert_eq!(of("HTTPS://a?b"), Ok(("a".into(), 443, "/?b".into())));
        assert_eq!(of("ws://[::1]:90/x"), Ok(("::1".into(), 90, "/x".into())));
        assert_eq!(of("ws://[::1]"), Ok(("::1".into(), 80, "/".into())));
    }

    #[test]
    fn what_is_no_url_is_refused_by_name() {
        for (url, error) in [
            ("localhost:80", TargetError::Scheme),
            ("ftp://a", TargetError::Scheme),
            ("ws://", TargetError::Host),
            ("ws:///path", TargetError::Host),
            ("ws://[::1", TargetError::Host),
            ("ws://[::1]80", TargetError::Host),
            ("ws://a:0", TargetError::Port),
            ("ws://a:99999", TargetError::Port),
            ("ws://a:/", TargetError::Port),
            ("ws://a/b c", TargetError::Character),
            ("ws://a/\u{7}", TargetError::Character),
        ] {
            assert_eq!(Target::parse(url), Err(error), "{url}");
        }
    }
}
