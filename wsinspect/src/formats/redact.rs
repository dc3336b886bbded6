//! Redaction of secrets of the handshake, which a recording should not give away.

use crate::handshake::{Head, Refusal, check};
use crate::tap::Handshake;

/// The replacement of a secret.
pub const REDACTED: &str = "REDACTED";

/// Headers whose values are secrets.
const HEADERS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];

/// Parts of names of headers and query parameters whose values are secrets.
const NAMES: [&str; 12] =
    ["token", "secret", "pass", "pwd", "key", "auth", "session", "sig", "jwt", "ticket", "credential", "cookie"];

/// A handshake without its secrets. What it says otherwise is the same: it is judged as before.
pub fn handshake(handshake: &Handshake) -> Handshake {
    let mut redacted = handshake.clone();
    head(&mut redacted.request);
    head(&mut redacted.response);
    if let Some(Refusal::Status(_)) = redacted.refusal {
        // It says where a redirect leads.
        redacted.refusal = check(&redacted.request, &redacted.response).1;
    }
    redacted
}

fn head(head: &mut Head) {
    head.line = head.line.split(' ').map(url).collect::<Vec<_>>().join(" ");
    for (name, value) in &mut head.headers {
        let is_of_websocket = name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("Sec-WebSocket-"));
        if HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) || (is_secret(name) && !is_of_websocket) {
            *value = REDACTED.into();
        } else if name.eq_ignore_ascii_case("Location") || name.eq_ignore_ascii_case("Referer") {
            *value = url(value);
        }
    }
}

/// A URL without its password, and without those of its query's values that are secrets by their name.
pub fn url(url: &str) -> String {
    // A fragment is never sent, and may be a token as a whole.
    let (url, fragment) = url.split_once('#').map_or((url, ""), |(url, _)| (url, "#REDACTED"));
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let address = without_password(address);
    let Some(query) = query else { return address + fragment };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => parameter.to_owned(),
    };
    format!("{address}?{}{fragment}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
}

fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let at = rest.find('/').unwrap_or(rest.len());
    match rest[..at].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{REDACTED}@{host}{}", &rest[at..]),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_taken_by_their_names() {
        assert_eq!(url("/chat?room=a&Access_Token=abc&x"), "/chat?room=a&Access_Token=REDACTED&x");
        assert_eq!(url("ws://ada:lovelace@host:1/a@b?y=1"), "ws://REDACTED@host:1/a@b?y=1");
        assert_eq!(url("ws://host/a"), "ws://host/a");
        assert_eq!(url("https://x/cb?a=b#access_token=S"), "https://x/cb?a=b#REDACTED");
    }

    #[test]
    fn credentials_of_both_heads_are_gone_and_all_else_is_there() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Head {
            line: "GET /?token=t HTTP/1.1".into(),
            headers: vec![
                pair("cookie", "a=b"),
                pair("Host", "x"),
                pair("AUTHORIZATION", "Basic YQ=="),
                pair("X-Api-Key", "k"),
            ],
        };
        let response = Head {
            line: "HTTP/1.1 101 Switching Protocols".into(),
            headers: vec![pair("Set-Cookie", "s=1"), pair("Upgrade", "websocket")],
        };
        let redacted = handshake(&Handshake { request, response, ..Handshake::default() });
        let text = String::from_utf8([redacted.request.to_bytes(), redacted.response.to_bytes()].concat()).unwrap();
        assert_eq!(
            text,
            "GET /?token=REDACTED HTTP/1.1\r\ncookie: REDACTED\r\nHost: x\r\nAUTHORIZATION: REDACTED\r\nX-Api-Key: REDACTED\r\n\r\n\
             HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: REDACTED\r\nUpgrade: websocket\r\n\r\n"
        );
    }
}
