//! Which sites' pages may open a connection (RFC 6454, RFC 6455 section 10.2).

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
    /// Whether a page of this origin was served by the host that the request names. The scheme is not known here,
    /// because a proxy may have taken TLS off.
    fn is_served_by(&self, host: &str) -> bool {
        self.authority == without_default_port(&self.scheme, host)
    }

    /// Whether a request with this Origin header may open a connection: from a page that this server served, from an
    /// allowed site, or from a program, which sends none. No cookie gives anyone a right here, so a program is no risk.
    pub fn allows(header: Option<&str>, host: &str, allowed: &[Origin]) -> bool {
        let Some(header) = header else { return true };
        header.parse::<Self>().is_ok_and(|origin| origin.is_served_by(host) || allowed.contains(&origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_kept_out() {
        let allowed = ["https://friend.example".parse().unwrap()];
        let allows = |origin| Origin::allows(origin, "ink.example:8081", &allowed);
        assert!(allows(None));
        assert!(allows(Some("http://ink.example:8081")));
        assert!(allows(Some("https://FRIEND.example:443")));
        for other in
            ["null", "", "http://ink.example", "http://ink.example:8081.evil", "http://friend.example", "file://x"]
        {
            assert!(!allows(Some(other)), "{other}");
        }
        assert!(Origin::allows(Some("https://ink.example"), "ink.example", &[]), "behind a proxy with TLS");
    }
}
