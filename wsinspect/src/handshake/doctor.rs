//! Why a handshake fails, or what it depends on: variants of a request, and what their answers say together.

use crate::handshake::Head;
use crate::handshake::target::Target;

/// A request that differs in one point from the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The difference, in words.
    pub name: String,
    /// The request.
    pub request: Head,
}

/// The answer to a variant: its first line, and whether it opened a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The response's first line without the version, or what failed.
    pub words: String,
    /// It did.
    pub is_open: bool,
}

/// The variants that are worth trying: each changes what servers, and what stands before them, look at.
pub fn variants(request: &Head, target: &Target) -> Vec<Variant> {
    let mut all = Vec::new();
    let mut add = |name: String, request: Head| all.push(Variant { name, request });
    for (name, word) in [
        ("Origin", "Origin"),
        ("Sec-WebSocket-Protocol", "sub-protocols"),
        ("Sec-WebSocket-Extensions", "extensions"),
        ("Cookie", "cookies"),
        ("Authorization", "credentials"),
    ] {
        if request.get(name).is_some() {
            add(format!("without {word}"), without(request, name));
        }
    }
    let scheme = if target.is_secure { "https" } else { "http" };
    let own = format!("{scheme}://{}", target.authority);
    if request.get("Origin") != Some(&own) {
        add(format!("Origin: {own}"), with(request, "Origin", &own));
    }
    add("Origin: https://example.com".into(), with(request, "Origin", "https://example.com"));
    if request.get("Sec-WebSocket-Extensions").is_none() {
        add("with compression offered".into(), with(request, "Sec-WebSocket-Extensions", "permessage-deflate"));
    }
    if request.get("User-Agent").is_none() {
        add("as a browser names itself".into(), with(request, "User-Agent", "Mozilla/5.0"));
    }
    let other = match target.authority.rsplit_once(':') {
        Some((host, _)) if !host.ends_with(':') => host.to_owned(),
        _ => format!("{}:{}", target.authority, target.port),
    };
    add(format!("Host: {other}"), with(request, "Host", &other));
    for path in other_paths(&target.path) {
        add(format!("path {path}"), Head { line: format!("GET {path} HTTP/1.1"), ..request.clone() });
    }
    all
}

/// A slash more or less at the end, and the root.
fn other_paths(path: &str) -> Vec<String> {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let slash = match path.strip_suffix('/') {
        Some("") => "/ws".into(),
        Some(shorter) => format!("{shorter}{query}"),
        None => format!("{path}/{query}"),
    };
    let root = (path != "/").then(|| "/".to_owned());
    std::iter::once(slash).chain(root).collect()
}

fn without(request: &Head, name: &str) -> Head {
    let mut request = request.clone();
    request.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    request
}

fn with(request: &Head, name: &str, value: &str) -> Head {
    let mut request = request.clone();
    match request.headers.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
        Some((_, old)) => *old = value.to_owned(),
        None => request.headers.push((name.to_owned(), value.to_owned())),
    }
    request
}

/// Returns the verdict over all answers: which changes open what was refused, or refuse what was open.
pub fn verdict(asked: &Answer, tried: &[(String, Answer)]) -> Vec<String> {
    let different = tried.iter().filter(|(_, answer)| answer.is_open != asked.is_open);
    let mut lines: Vec<String> = different
        .map(|(name, answer)| match asked.is_open {
            true => format!("{name}: refused with {}", answer.words),
            false => format!("{name}: this is what it takes"),
        })
        .collect();
    if !asked.is_open && lines.is_empty() {
        let is_same = tried.iter().all(|(_, answer)| answer.words == asked.words);
        lines.push(if is_same {
            "every variant is refused alike: the path, the server or a proxy before it does not upgrade at all".into()
        } else {
            "no variant opens it; where the answers differ, that header is looked at".into()
        });
        lines.extend(advice(&asked.words));
    }
    if asked.is_open && lines.is_empty() {
        lines.push("none of these headers decides".into());
    }
    lines
}

/// Returns the usual meaning of a status.
fn advice(words: &str) -> Option<String> {
    let status: String = words.chars().take_while(char::is_ascii_digit).collect();
    let advice = match status.as_str() {
        "200" => {
            "200: what answers takes this for a page; a proxy before the server may not pass Upgrade and Connection on"
        }
        "301" | "302" | "307" | "308" => "a redirect: connect to its Location",
        "400" => {
            "400: a proxy may have taken Connection or Sec-WebSocket-Key away (nginx: proxy_set_header Upgrade and Connection)"
        }
        "401" | "407" => "it wants credentials: --user, --bearer or --cookie",
        "403" => "403: it knows who asks, and does not want them: Origin, a cookie, a token, an address",
        "404" => "404: nothing is at this path; sub-paths behind a proxy are lost where it strips them",
        "426" => "426: it wants another version of the protocol (Sec-WebSocket-Version)",
        "502" | "503" | "504" => "a proxy answers: the server behind it is away or too slow",
        _ => return None,
    };
    Some(advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> (Head, Target) {
        let target = Target::parse("ws://host:81/chat?x=1").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![pair("Host", "host:81"), pair("Origin", "http://other")];
        (Head { line: "GET /chat?x=1 HTTP/1.1".into(), headers }, target)
    }

    fn answer(words: &str) -> Answer {
        Answer { words: words.into(), is_open: words.starts_with("101") }
    }

    #[test]
    fn each_variant_changes_one_thing() {
        let (request, target) = request();
        let names: Vec<String> = variants(&request, &target).into_iter().map(|variant| variant.name).collect();
        assert_eq!(
            names,
            [
                "without Origin",
                "Origin: http://host:81",
                "Origin: https://example.com",
                "with compression offered",
                "as a browser names itself",
                "Host: host",
                "path /chat/?x=1",
                "path /",
            ]
        );
        for variant in variants(&request, &target) {
            let lines = |head: &Head| {
                String::from_utf8(head.to_bytes()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
            };
            let (before, after) = (lines(&request), lines(&variant.request));
            let changed = after.iter().filter(|line| !before.contains(line)).count();
            assert!(changed <= 1 && before != after, "{}", variant.name);
        }
    }

    #[test]
    fn the_header_that_decides_is_named() {
        let tried = |words: &[&str]| words.iter().map(|words| ((*words).to_owned(), answer(words))).collect::<Vec<_>>();
        let refused = verdict(
            &answer("403 Forbidden"),
            &[("without Origin".into(), answer("101 S")), ("path /".into(), answer("404"))],
        );
        assert_eq!(refused, ["without Origin: this is what it takes"]);
        let open = verdict(&answer("101 S"), &[("Origin: https://example.com".into(), answer("403 No"))]);
        assert_eq!(open, ["Origin: https://example.com: refused with 403 No"]);
        assert_eq!(verdict(&answer("101 S"), &tried(&["101 S"])), ["none of these headers decides"]);
        let alike = verdict(&answer("404 Not Found"), &tried(&["404 Not Found"]));
        assert!(alike[0].starts_with("every variant is refused alike") && alike[1].starts_with("404: "), "{alike:?}");
    }
}
