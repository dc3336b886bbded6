//! The opening handshake of a WebSocket connection (RFC 6455 section 4.2).

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use base64::{Engine, engine::general_purpose::STANDARD};
use http_types::{Method, Request, StatusCode};

use super::head::{Head, has_token};
use super::host::Hosts;
use super::reply::Reply;

/// Why a request is not upgraded: one variant per rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// No `Upgrade: websocket` with `Connection: Upgrade`, or not a GET.
    #[error("this address speaks WebSocket: send Upgrade: websocket and Connection: Upgrade")]
    Required,
    /// A version other than 13.
    #[error("only WebSocket version 13 is spoken here")]
    Version,
    /// A key that is not 16 bytes in base64, or not exactly one.
    #[error("Sec-WebSocket-Key must be 16 bytes in base64, once")]
    Key,
    /// A page of another site.
    #[error("pages of this origin may not connect here")]
    Origin,
    /// Sub-protocols were offered and none of them is spoken.
    #[error("none of the offered sub-protocols is spoken here")]
    Protocol,
}

impl UpgradeError {
    /// The reply that refuses the request.
    pub fn reply(self) -> Reply {
        let status = match self {
            Self::Required | Self::Version => StatusCode::UpgradeRequired,
            Self::Key | Self::Protocol => StatusCode::BadRequest,
            Self::Origin => StatusCode::Forbidden,
        };
        let reply = Reply::text(status, &self.to_string());
        match self {
            // RFC 6455 section 4.2.2 item 4; RFC 9110 section 7.8: Upgrade is named in Connection.
            Self::Required | Self::Version => reply
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-version", "13"),
            _ => reply,
        }
    }
}

/// A request that may be upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    accept: String,
    /// The sub-protocol that was chosen; `None` where none was offered.
    pub protocol: Option<&'static str>,
}

impl Upgrade {
    /// The bytes of the `101` reply, written by hand: async-h1 would add a Content-Length (RFC 9110 section 8.6).
    pub fn response(&self) -> Vec<u8> {
        let protocol = self.protocol.map_or(String::new(), |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{protocol}\r\n",
            self.accept
        )
        .into_bytes()
    }
}

/// Checks the handshake and chooses the first offered sub-protocol that is spoken.
///
/// # Errors
/// The rule that the request breaks.
pub fn upgrade(head: &Head, spoken: &[&'static str], hosts: &Hosts) -> Result<Upgrade, UpgradeError> {
    let request = &head.request;
    let is_upgrade = has(request, "upgrade", "websocket") && has(request, "connection", "upgrade");
    // RFC 9110 section 7.8: Upgrade means nothing in HTTP/1.0.
    if request.method() != Method::Get || !is_upgrade || head.is_old {
        return Err(UpgradeError::Required);
    }
    if all(request, "sec-websocket-version") != ["13"] {
        return Err(UpgradeError::Version);
    }
    let keys = all(request, "sec-websocket-key");
    let [key] = keys[..] else { return Err(UpgradeError::Key) };
    if !is_key(key) {
        return Err(UpgradeError::Key);
    }
    let origins = all(request, "origin");
    if origins.len() > 1 || !hosts.allows(origins.first().copied(), &head.host) {
        return Err(UpgradeError::Origin);
    }
    let protocol = choose(&all(request, "sec-websocket-protocol"), spoken)?;
    Ok(Upgrade { accept: derive_accept_key(key.as_bytes()), protocol })
}

fn all<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    request.header(name).map(|values| values.iter().map(|value| value.as_str().trim()).collect()).unwrap_or_default()
}

fn has(request: &Request, name: &str, token: &str) -> bool {
    all(request, name).iter().any(|value| has_token(value, token))
}

/// Whether a key is 16 bytes in canonical base64 (RFC 6455 section 4.1 item 7).
fn is_key(key: &str) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut bytes) == Ok(16)
}

fn choose(offered: &[&str], spoken: &[&'static str]) -> Result<Option<&'static str>, UpgradeError> {
    if offered.is_empty() || spoken.is_empty() {
        return Ok(None);
    }
    let names = offered.iter().flat_map(|value| value.split(',')).map(str::trim);
    let mut known = names.filter_map(|name| spoken.iter().find(|one| **one == name));
    known.next().map(|name| Some(*name)).ok_or(UpgradeError::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sixteen_bytes_of_base64() {
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        for wrong in ["", "abc", "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j!Q=="] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn the_first_offered_protocol_that_is_spoken_is_chosen() {
        let spoken = ["inkwire.v1", "inkwire.v1.json"];
        assert_eq!(choose(&["other, inkwire.v1.json", "inkwire.v1"], &spoken), Ok(Some("inkwire.v1.json")));
        assert_eq!(choose(&[], &spoken), Ok(None));
        assert_eq!(choose(&["mqtt"], &spoken), Err(UpgradeError::Protocol));
    }
}
