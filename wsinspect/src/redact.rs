//! What a recording should not give away to those it is sent to: secrets of the handshake.

use crate::handshake::Head;
use crate::tap::Handshake;

/// What stands in place of a secret.
pub const REDACTED: &str = "REDACTED";

/// Headers whose values are secrets.
const HEADERS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];

/// What the name of a query parameter contains whose value is one.
const PARAMETERS: [&str; 9] = ["token", "secret", "password", "passwd", "key", "auth", "session", "sig", "jwt"];

/// A handshake without its secrets. What it says otherwise is the same: it is judged as before.
pub fn handshake(handshake: &Handshake) -> Handshake {
    let mut redacted = handshake.clone();
    head(&mut redacted.request);
    head(&mut redacted.response);
    redacted
}

fn head(head: &mut Head) {
    head.line = head.line.split(' ').map(url).collect::<Vec<_>>().join(" ");
    for (name, value) in &mut head.headers {
        if HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            *value = REDACTED.into();
        } else if name.eq_ignore_ascii_case("Location") || name.eq_ignore_ascii_case("Referer") {
            *value = url(value);
        }
    }
}

/// A URL without its password, and without those of its query's values that are secrets by their name.
pub fn url(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let address = without_password(address);
    let Some(query) = query else { return address };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
        _ => parameter.to_owned(),
    };
    format!("{address}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PARAMETERS.iter().any(|secret| name.contains(secret))
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
    }

    #[test]
    fn credentials_of_both_heads_are_gone_and_all_else_is_there() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Head {
            line: "GET /?token=t HTTP/1.1".into(),
            headers: vec![pair("cookie", "a=b"), pair("Host", "x"), pair("AUTHORIZATION", "Basic YQ==")],
        };
        let response = Head {
            line: "HTTP/1.1 101 Switching Protocols".into(),
            headers: vec![pair("Set-Cookie", "s=1"), pair("Upgrade", "websocket")],
        };
        let redacted = handshake(&Handshake { request, response, ..Handshake::default() });
        let text = String::from_utf8([redacted.request.to_bytes(), redacted.response.to_bytes()].concat()).unwrap();
        assert_eq!(
            text,
            "GET /?token=REDACTED HTTP/1.1\r\ncookie: REDACTED\r\nHost: x\r\nAUTHORIZATION: REDACTED\r\n\r\n\
             HTTP/1.1 101 Switching Protocols\r\nSet-Cookie: REDACTED\r\nUpgrade: websocket\r\n\r\n"
        );
    }
}
