//! The values of a deployment: each type is an allow-list, because nothing that is written into a file is ever escaped. Pure.
//!
//! `nginx -t` and `systemd-analyze verify` pass most injections (`a.example; return 302 http://evil/`, a newline with another
//! `ExecStartPre=`), so what could be one is refused here, with a line that says which rule it breaks.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A rule that a value breaks.
type Refusal = String;

/// Refuses what no value may hold, so that every message can show the value.
fn printable(text: &str) -> Result<(), Refusal> {
    let is_hidden = |letter: char| {
        // Bidirectional controls and joiners change what a person reads (Unicode Technical Report 36).
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    match text.chars().find(|letter| is_hidden(*letter)) {
        Some(letter) => Err(format!("holds the control character U+{:04X}", u32::from(letter))),
        None if text.is_empty() => Err("is empty".into()),
        None => Ok(()),
    }
}

/// Refuses letters that are not listed, and names the first.
fn only(text: &str, allowed: fn(char) -> bool, which: &str) -> Result<(), Refusal> {
    printable(text)?;
    match text.chars().find(|letter| !allowed(*letter)) {
        Some(letter) => Err(format!("holds {letter:?}; only {which} may stand there")),
        None => Ok(()),
    }
}

macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub(super) struct $name(String);

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value! {
    /// A host name of letters, digits and hyphens (RFC 952, RFC 1123 section 2.1), in lower case.
    Host
}

impl FromStr for Host {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        printable(text)?;
        if !text.is_ascii() {
            return Err(
                "is not ASCII; write an international name as xn--… (punycode), which DNS and certificates use".into(),
            );
        }
        let name = text.to_ascii_lowercase();
        only(
            &name,
            |letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.',
            "letters, digits, - and .",
        )?;
        if name.len() > 253 {
            return Err("is longer than 253 letters".into());
        }
        for label in name.split('.') {
            match label {
                "" => return Err("has an empty label: dots stand between labels, one each".into()),
                _ if label.len() > 63 => return Err(format!("has a label of {} letters; 63 is the most", label.len())),
                _ if label.starts_with('-') || label.ends_with('-') => {
                    return Err(format!("has the label {label:?}, which begins or ends with a hyphen"));
                }
                _ => {}
            }
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("is an IP address or ends in a number; a site has a name".into());
        }
        Ok(Self(name))
    }
}

impl Host {
    /// Whether it is a name of the local network, such as `localhost`.
    pub(super) fn is_local(&self) -> bool {
        !self.0.contains('.') || self.0.ends_with(".localhost")
    }
}

text_value! {
    /// The path below which the site lives: begins and ends with a slash.
    PublicPath
}

impl FromStr for PublicPath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        only(text, |letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter), "letters, digits, - _ . and /")?;
        if !text.starts_with('/') {
            return Err("does not begin with a slash".into());
        }
        if text == "/" {
            return Ok(Self(text.into()));
        }
        segments(text.trim_start_matches('/').strip_suffix('/').unwrap_or(&text[1..]), text)?;
        Ok(Self(format!("{}/", text.strip_suffix('/').unwrap_or(text))))
    }
}

impl PublicPath {
    /// Without the slash at its end; empty for the root.
    pub(super) fn without_slash(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or_default()
    }
}

fn segments(inner: &str, whole: &str) -> Result<(), Refusal> {
    if whole.contains("//") {
        return Err("has two slashes in a row".into());
    }
    match inner.split('/').find(|segment| segment.is_empty() || segment.starts_with('.')) {
        Some("") => Err("has an empty segment".into()),
        Some(segment) => Err(format!("has the segment {segment:?}; none may begin with a dot")),
        None => Ok(()),
    }
}

text_value! {
    /// An absolute path of a file or folder, normalised, without anything that nginx, systemd or a shell would read otherwise.
    FilePath
}

impl FromStr for FilePath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        only(text, |letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter), "letters, digits, - _ . and /")?;
        if !text.starts_with('/') {
            return Err("is not absolute: it must begin with a slash".into());
        }
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Err("is the root of the file system".into());
        }
        segments(&path[1..], path)?;
        Ok(Self(path.into()))
    }
}

text_value! {
    /// A folder that belongs to one program alone: not one of the system's, nor a home.
    OwnFolder
}

impl FromStr for OwnFolder {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        /// Folders that many share; only what lies below them can be one program's.
        const SHARED: &[&str] = &[
            "/bin",
            "/boot",
            "/dev",
            "/etc",
            "/home",
            "/lib",
            "/lib64",
            "/media",
            "/mnt",
            "/opt",
            "/proc",
            "/root",
            "/run",
            "/sbin",
            "/srv",
            "/sys",
            "/tmp",
            "/usr",
            "/usr/local",
            "/var",
            "/var/backups",
            "/var/cache",
            "/var/lib",
            "/var/log",
            "/var/tmp",
        ];
        /// Folders below which nothing of a program's own may lie.
        const SYSTEM: &[&str] = &[
            "/bin/",
            "/boot/",
            "/dev/",
            "/etc/",
            "/lib/",
            "/proc/",
            "/sbin/",
            "/sys/",
            "/run/",
            "/tmp/",
            "/var/tmp/",
            "/var/mail",
            "/var/spool",
            "/var/www",
            "/var/lib/private",
            "/var/lib/dpkg",
            "/var/lib/systemd",
            "/usr/local/bin",
            "/usr/local/sbin",
            "/usr/local/lib",
            "/usr/local/etc",
            "/usr/local/share",
        ];
        let path = FilePath::from_str(text)?.0;
        if SHARED.contains(&path.as_str()) {
            return Err("is a folder that the whole system shares".into());
        }
        if SYSTEM.iter().any(|system| path.starts_with(system))
            || path.starts_with("/usr/") && !path.starts_with("/usr/local/")
        {
            return Err("lies in a folder of the system".into());
        }
        if path.starts_with("/home/") && path.matches('/').count() == 2 || path.starts_with("/root/") {
            return Err("is somebody's home".into());
        }
        Ok(Self(path))
    }
}

text_value! {
    /// The name of a service, a user, a zone.
    Name
}

/// Names of users, services and nginx's variables that are there on every machine with a site (base-passwd, Debian's units).
const TAKEN: &[&str] = &[
    "adm",
    "backup",
    "bin",
    "caddy",
    "certbot",
    "connection",
    "cron",
    "daemon",
    "dbus",
    "default",
    "games",
    "getty",
    "http",
    "irc",
    "list",
    "lp",
    "mail",
    "man",
    "messagebus",
    "news",
    "nginx",
    "nobody",
    "proxy",
    "ssh",
    "sshd",
    "sync",
    "sys",
    "user",
    "uucp",
    "www-data",
];

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        only(text, |letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-', "a-z, 0-9 and -")?;
        match text.chars().next() {
            Some(first) if !first.is_ascii_lowercase() => Err("does not begin with a letter".into()),
            _ if text.ends_with('-') => Err("ends with a hyphen".into()),
            _ if text.len() > 31 => Err(format!("has {} letters; 31 is the most (useradd(8))", text.len())),
            _ if text == "root" => Err("is root, which nothing of this needs".into()),
            _ if TAKEN.contains(&text) || text.starts_with("systemd") => {
                Err("is the system's own; take another".into())
            }
            _ => Ok(Self(text.into())),
        }
    }
}

text_value! {
    /// A network whose proxies are believed: an address, or one with a prefix length.
    Network
}

impl FromStr for Network {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        printable(text)?;
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let parsed: std::net::IpAddr = address.parse().map_err(|_| "is not an IP address, or one with /LENGTH")?;
        let most = if parsed.is_ipv4() { 32 } else { 128 };
        match length.map(str::parse::<u8>) {
            Some(Ok(0)) => Err("is everybody: whoever likes could then say who he is".into()),
            Some(Ok(length)) if length <= most => Ok(Self(format!("{parsed}/{length}"))),
            Some(_) => Err(format!("has a prefix length that is not 1 to {most}")),
            None => Ok(Self(parsed.to_string())),
        }
    }
}

text_value! {
    /// A site whose pages may open boards: scheme, host and perhaps a port (RFC 6454 section 6.2).
    Origin
}

impl FromStr for Origin {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        printable(text)?;
        let (scheme, rest) = text.split_once("://").ok_or("is not written scheme://host")?;
        if !matches!(scheme, "http" | "https") {
            return Err(format!("has the scheme {scheme:?}; only http and https have pages"));
        }
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let host = Host::from_str(host)?;
        match port.map(Port::from_str).transpose()? {
            Some(port) => Ok(Self(format!("{scheme}://{host}:{}", port.0))),
            None => Ok(Self(format!("{scheme}://{host}"))),
        }
    }
}

text_value! {
    /// An address to which a certificate authority writes: the strict part of RFC 5322 that they take.
    Email
}

impl FromStr for Email {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (local, host) = text.split_once('@').ok_or("is not written name@host")?;
        only(
            local,
            |letter| letter.is_ascii_alphanumeric() || "-_.+".contains(letter),
            "letters, digits, - _ . and +",
        )?;
        Ok(Self(format!("{local}@{}", Host::from_str(host)?)))
    }
}

/// A TCP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Port(pub(super) u16);

impl FromStr for Port {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        printable(text)?;
        match text.parse::<u16>() {
            Ok(0) => Err("is 0, which means any port".into()),
            Ok(port) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(port)),
            _ => Err("is not a port: 1 to 65535".into()),
        }
    }
}

/// A version of nginx or systemd, by which directives are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) [u16; 3]);

impl FromStr for Version {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        printable(text)?;
        let wrong = || "is not a version such as 1.22.1 or 252".to_owned();
        let mut parts = [0; 3];
        let given: Vec<&str> = text.split('.').collect();
        if given.len() > 3 {
            return Err(wrong());
        }
        for (part, text) in parts.iter_mut().zip(given) {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            *part = text.parse().ok().filter(|_| is_number).ok_or_else(wrong)?;
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [major, 0, 0] => write!(f, "{major}"),
            [major, minor, 0] => write!(f, "{major}.{minor}"),
            [major, minor, patch] => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses<T: FromStr<Err = String> + fmt::Debug>(cases: &[(&str, &str)]) {
        for (text, why) in cases {
            let refusal = text.parse::<T>().expect_err(text);
            assert!(refusal.contains(why), "{text:?}: {refusal:?} does not say {why:?}");
        }
    }

    #[track_caller]
    fn takes<T: FromStr<Err = String> + fmt::Display>(cases: &[(&str, &str)]) {
        for (text, written) in cases {
            assert_eq!(text.parse::<T>().map(|value| value.to_string()), Ok((*written).to_owned()), "{text}");
        }
    }

    #[test]
    fn only_host_names_are_host_names() {
        refuses::<Host>(&[
            ("", "is empty"),
            ("a.example; return 302 http://evil.example/", "holds ';'"),
            ("a.example; } server { listen 80; server_name b", "holds ';'"),
            ("a.example{", "holds '{'"),
            ("a.example\nserver_name b", "U+000A"),
            ("a.example\0", "U+0000"),
            ("a\u{202e}b.example", "U+202E"),
            ("$host", "holds '$'"),
            ("\"\"", "holds '\"'"),
            ("ex ample.com", "holds ' '"),
            ("~^(.*)$", "holds '~'"),
            ("*.example.org", "holds '*'"),
            ("_", "holds '_'"),
            ("a..b", "empty label"),
            (".example", "empty label"),
            ("example.", "empty label"),
            ("-bad-.example", "begins or ends with a hyphen"),
            ("127.0.0.1", "is an IP address"),
            ("example.123", "is an IP address"),
            ("zeichnen.münchen.de", "xn--"),
            (&format!("{}.example", "a".repeat(64)), "a label of 64 letters"),
            ("a.".repeat(127).replace("a.", "ab.").trim_end_matches('.'), "longer than 253"),
        ]);
        takes::<Host>(&[
            ("Draw.Example.ORG", "draw.example.org"),
            ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
            ("localhost", "localhost"),
        ]);
    }

    #[test]
    fn only_plain_paths_are_paths() {
        refuses::<PublicPath>(&[
            ("draw", "does not begin with a slash"),
            ("/../etc", "begin with a dot"),
            ("/a/./b", "begin with a dot"),
            ("/a//b", "two slashes"),
            ("//", "two slashes"),
            ("/dr%61w", "holds '%'"),
            ("/dr$aw", "holds '$'"),
            ("/dr\"aw", "holds '\"'"),
            ("/x { return 204; } location /y", "holds ' '"),
            ("/a\tb", "U+0009"),
            ("/a;b", "holds ';'"),
            ("/a#b", "holds '#'"),
        ]);
        takes::<PublicPath>(&[("/", "/"), ("/draw", "/draw/"), ("/a/b-c_d.e/", "/a/b-c_d.e/")]);
    }

    #[test]
    fn a_data_folder_is_one_program_s_own() {
        refuses::<OwnFolder>(&[
            ("data", "is not absolute"),
            ("/", "root of the file system"),
            ("/var/lib", "whole system shares"),
            ("/home", "whole system shares"),
            ("/home/ada", "somebody's home"),
            ("/root/x", "somebody's home"),
            ("/etc/inkwire", "folder of the system"),
            ("/usr/share/x", "folder of the system"),
            ("/var/lib/../x", "begin with a dot"),
            ("/usr/local/bin", "folder of the system"),
            ("/var/www", "folder of the system"),
            ("/var/backups", "whole system shares"),
            ("/tmp/boards", "folder of the system"),
            ("/run/boards", "folder of the system"),
            ("/srv/%h", "holds '%'"),
            ("/srv/a b", "holds ' '"),
        ]);
        takes::<OwnFolder>(&[
            ("/srv/draw/", "/srv/draw"),
            ("/var/lib/inkwire", "/var/lib/inkwire"),
            ("/home/ada/boards", "/home/ada/boards"),
        ]);
    }

    #[test]
    fn the_other_values_have_their_rules_too() {
        refuses::<Port>(&[
            ("0", "any port"),
            ("65536", "1 to 65535"),
            ("-1", "1 to 65535"),
            ("+80", "1 to 65535"),
            ("http", "1 to 65535"),
        ]);
        refuses::<Name>(&[
            ("Bad", "holds 'B'"),
            ("bad user", "holds ' '"),
            ("1st", "begin with a letter"),
            ("a-", "ends with a hyphen"),
            ("root", "is root"),
            ("nginx", "system's own"),
            ("nobody", "system's own"),
            ("systemd-network", "system's own"),
            (&"a".repeat(32), "31 is the most"),
        ]);
        refuses::<Network>(&[
            ("0.0.0.0/0", "everybody"),
            ("10.0.0.0/33", "1 to 32"),
            ("example.org", "not an IP address"),
            ("10.0.0.1;", "not an IP address"),
        ]);
        refuses::<Origin>(&[
            ("example.org", "scheme://host"),
            ("ftp://example.org", "only http and https"),
            ("https://a.example/x", "holds '/'"),
            ("https://a.example:0", "any port"),
        ]);
        refuses::<Email>(&[("ada", "name@host"), ("a;b@example.org", "holds ';'"), ("@example.org", "is empty")]);
        refuses::<Version>(&[
            ("new", "not a version"),
            ("1.2.3.4", "not a version"),
            ("1.", "not a version"),
            ("+1.2", "not a version"),
        ]);
        takes::<Network>(&[("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1")]);
        takes::<Origin>(&[("https://Example.org:8443", "https://example.org:8443")]);
        takes::<Version>(&[("252", "252"), ("1.22", "1.22"), ("1.22.1", "1.22.1")]);
    }
}
