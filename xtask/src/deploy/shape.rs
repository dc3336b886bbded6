//! The last look at a rendered file: whatever has passed the parameters, it must have the shape of its kind. Pure.

use super::parameters::{Parameters, Tls};

/// The directives that the templates use; any other has come from a value.
const NGINX: [&str; 44] = [
    "absolute_redirect",
    "add_header",
    "client_body_timeout",
    "client_header_timeout",
    "client_max_body_size",
    "default",
    "default_type",
    "gzip",
    "gzip_proxied",
    "gzip_types",
    "gzip_vary",
    "http2",
    "include",
    "keepalive",
    "limit_conn",
    "limit_conn_status",
    "limit_conn_zone",
    "limit_req",
    "limit_req_status",
    "limit_req_zone",
    "listen",
    "location",
    "map",
    "proxy_connect_timeout",
    "proxy_hide_header",
    "proxy_http_version",
    "proxy_pass",
    "proxy_read_timeout",
    "proxy_send_timeout",
    "proxy_set_header",
    "proxy_socket_keepalive",
    "real_ip_header",
    "real_ip_recursive",
    "return",
    "root",
    "send_timeout",
    "server",
    "server_name",
    "server_tokens",
    "set_real_ip_from",
    "ssl_session_cache",
    "upstream",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
];

/// Checks a file by its place.
///
/// # Errors
/// What is not as it should be.
pub(super) fn check(path: &str, text: &str, parameters: &Parameters) -> Result<(), String> {
    if let Some(letter) = text.chars().find(|letter| letter.is_control() && !matches!(letter, '\n' | '\t')) {
        return Err(format!("it holds the control character U+{:04X}", u32::from(letter)));
    }
    if path.starts_with("nginx/") {
        let site = format!("nginx/{}.conf", parameters.name);
        // The site, the redirect to it, and what Prometheus asks.
        let of_site = 1 + usize::from(parameters.tls != Tls::Off) + usize::from(parameters.port.is_none());
        let servers = if path == site { of_site } else { usize::from(path.ends_with("-first.conf")) };
        return nginx(text, servers);
    }
    if path.ends_with(".service") || path.ends_with(".socket") || path.ends_with(".timer") {
        return unit(text);
    }
    Ok(())
}

/// Every directive is one of ours and ends, blocks are balanced, and there are as many servers as there should be.
fn nginx(text: &str, servers: usize) -> Result<(), String> {
    let (mut depth, mut found) = (0u32, 0);
    for (first, end) in directives(text)? {
        match end {
            '}' => depth = depth.checked_sub(1).ok_or("a block ends that has not begun")?,
            '{' => {
                depth += 1;
                found += usize::from(first == "server" && depth == 1);
            }
            _ => {}
        }
        let is_known =
            first.is_empty() || first == "''" || first.starts_with("ssl_") || NGINX.contains(&first.as_str());
        if !is_known {
            return Err(format!("it has the directive {first:?}"));
        }
    }
    if depth != 0 {
        return Err("a block does not end".into());
    }
    if found != servers {
        return Err(format!("it has {found} servers, and should have {servers}"));
    }
    Ok(())
}

/// The first word of each directive, and with what that ends (`;`, `{` or `}`).
fn directives(text: &str) -> Result<Vec<(String, char)>, String> {
    let mut all = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut word = String::new();
        let mut quote = None;
        for letter in line.chars() {
            match (quote, letter) {
                (Some(open), _) if letter == open => {
                    word.push(letter);
                    quote = None;
                }
                (Some(_), _) => word.push(letter),
                (None, '"' | '\'') => {
                    word.push(letter);
                    quote = Some(letter);
                }
                (None, '#') if word.is_empty() => break,
                (None, ';' | '{' | '}') => {
                    words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                    if letter == '}' && !words.is_empty() {
                        return Err(format!("{:?} does not end before a block does", words.join(" ")));
                    }
                    all.push((words.first().cloned().unwrap_or_default(), letter));
                    words.clear();
                }
                (None, ' ' | '\t') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
                (None, _) => word.push(letter),
            }
        }
        if quote.is_some() {
            return Err(format!("a quote is left open: {line:?}"));
        }
        words.extend((!word.is_empty()).then_some(word));
    }
    if words.is_empty() { Ok(all) } else { Err(format!("{:?} does not end", words.join(" "))) }
}

/// Keys that may stand more than once, because each adds to the list.
const LISTS: [&str; 2] = ["SystemCallFilter", "After"];

/// Every line is a section or a key of one, and no key stands twice in it.
fn unit(text: &str) -> Result<(), String> {
    let mut keys: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') && line.ends_with(']') {
            keys.clear();
            continue;
        }
        let (key, _) = line.split_once('=').ok_or_else(|| format!("{line:?} is no KEY=VALUE"))?;
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("{key:?} is no key"));
        }
        if line.ends_with('\\') {
            return Err(format!("{key} goes on in the next line"));
        }
        if keys.contains(&key) && !LISTS.contains(&key) {
            return Err(format!("{key} stands there twice"));
        }
        keys.push(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_has_brought_in_is_seen_in_the_rendered_text() {
        let site = |host: &str| format!("server {{\n    server_name {host};\n    return 404;\n}}\n");
        assert_eq!(nginx(&site("a.example"), 1), Ok(()));
        for (host, why) in [
            ("a.example; rewrite ^ http://evil", "directive \"rewrite\""),
            ("a.example; } server { server_name b", "2 servers"),
            ("a.example; }", "a block ends that has not begun"),
            ("a.example { ", "\"a.example\""),
            ("\"a.example", "a quote is left open"),
        ] {
            let refusal = nginx(&site(host), 1);
            assert!(
                refusal.as_ref().is_err_and(|said| said.contains(why)) || host.ends_with("{ ") && refusal.is_err(),
                "{host}: {refusal:?}"
            );
        }
        assert_eq!(nginx("server_name a\n", 0), Err("\"server_name a\" does not end".into()));
    }

    #[test]
    fn a_unit_has_each_key_once() {
        assert_eq!(unit("# x\n[Service]\nUser=a\nSystemCallFilter=a\nSystemCallFilter=~b\n"), Ok(()));
        for (text, why) in [
            ("[Service]\nExecStart=/a\nExecStart=/bin/sh\n", "ExecStart stands there twice"),
            ("[Service]\nid\n", "\"id\" is no KEY=VALUE"),
            ("[Service]\nUser=a \\\nb=c\n", "User goes on in the next line"),
            ("[Service]\nEx ec=a\n", "\"Ex ec\" is no key"),
        ] {
            assert_eq!(unit(text), Err(why.into()));
        }
    }
}
