//! What a deployment is described by: flags, or the same names in a `deploy.toml`; and which of them contradict each other.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::value::{Email, FilePath, Host, Name, Network, Origin, OwnFolder, Port, PublicPath, Version};

/// How browsers reach the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tls {
    /// Certificates of Let's Encrypt, by certbot and its webroot.
    Acme,
    /// Certificates that are there: --certificate and --certificate-key.
    Files,
    /// Plain HTTP, for a machine or a network of one's own.
    Off,
}

/// Everything that the files are made from. The names are also the keys of `deploy.toml`.
#[derive(Debug, Clone, PartialEq, Args, Serialize)]
pub(super) struct Parameters {
    /// Name of the site: of its units, its user, its sockets and folders. Several sites on one machine have several names.
    #[arg(long, default_value = "inkwire")]
    pub(super) name: Name,
    /// The host name in the address bar.
    #[arg(long, default_value = "draw.example.org")]
    pub(super) host: Host,
    /// Take a host name of the local network, such as localhost.
    #[arg(long)]
    pub(super) allow_local: bool,
    /// The path below which the site lives, such as /draw/.
    #[arg(long, default_value = "/")]
    pub(super) path: PublicPath,
    /// Let the server listen on this loopback port, instead of a unix socket that systemd opens for it.
    #[arg(long, value_name = "PORT")]
    pub(super) port: Option<Port>,
    /// Port of plain HTTP.
    #[arg(long, default_value = "80", value_name = "PORT")]
    pub(super) http_port: Port,
    /// Port of HTTPS.
    #[arg(long, default_value = "443", value_name = "PORT")]
    pub(super) https_port: Port,
    /// Port on this machine's loopback where nginx passes on /metrics, for a server on a unix socket. Each site has its own.
    #[arg(long, default_value = "9181", value_name = "PORT")]
    pub(super) metrics_port: Port,
    /// How TLS is done.
    #[arg(long, value_enum, default_value_t = Tls::Acme)]
    pub(super) tls: Tls,
    /// The certificate with its chain, for --tls files.
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Option<FilePath>,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    pub(super) certificate_key: Option<FilePath>,
    /// Where the certificate authority writes to, for --tls acme.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<Email>,
    /// Tell browsers for so many days to come by HTTPS only; 0 does not. It cannot be taken back before they are over.
    #[arg(long, default_value_t = 0, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=730))]
    pub(super) hsts: u32,
    /// Seconds of silence after which the server asks a connection for a sign of life; the time-outs of proxies follow.
    #[arg(long, default_value_t = 25, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(super) ping_interval: u32,
    /// Seconds that a stopping server gives its members to take what is meant for them.
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(super) drain: u32,
    /// Most connections at once.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) max_connections: u32,
    /// Most connections at once from one address.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) max_per_address: u32,
    /// Most handshakes a second from one address; twice as many at once.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) handshakes: u32,
    /// Most memory of the server, in MiB.
    #[arg(long, default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(64..=1_048_576))]
    pub(super) memory: u32,
    /// A proxy in front of nginx, which is believed who the client is: an address or a network. May be given several times.
    #[arg(long, value_name = "NETWORK")]
    pub(super) trusted_proxy: Vec<Network>,
    /// Another site whose pages may open boards, as https://host. May be given several times.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) allow_origin: Vec<Origin>,
    /// A user that is there always, instead of one that systemd makes while the server runs.
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<Name>,
    /// Where boards are kept: /var/lib/NAME where nothing is said. Another folder needs --user.
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<OwnFolder>,
    /// Where backups go.
    #[arg(long, value_name = "FOLDER")]
    pub(super) backups: Option<OwnFolder>,
    /// The server's executable.
    #[arg(long, default_value = "/usr/bin/inkwire", value_name = "FILE")]
    pub(super) binary: FilePath,
    /// The oldest nginx that must understand the files.
    #[arg(long, default_value = "1.22", value_name = "VERSION")]
    pub(super) nginx_version: Version,
    /// The oldest systemd that must understand the files.
    #[arg(long, default_value = "252", value_name = "VERSION")]
    pub(super) systemd_version: Version,
}

impl Parameters {
    /// Refuses what cannot be meant together, or would not work.
    ///
    /// # Errors
    /// The first contradiction, in one line.
    pub(super) fn check(&self) -> Result<(), String> {
        let refuse = |is_wrong: bool, why: &str| if is_wrong { Err(why.to_owned()) } else { Ok(()) };
        let has_files = self.certificate.is_some() || self.certificate_key.is_some();
        let both_files = self.certificate.is_some() && self.certificate_key.is_some();
        refuse(self.host.is_local() && !self.allow_local, "--host: a name of the local network needs --allow-local")?;
        refuse(
            self.host.is_local() && self.tls == Tls::Acme,
            "--tls acme: no authority certifies a local name; give --tls files or --tls off",
        )?;
        refuse(self.tls == Tls::Files && !both_files, "--tls files needs --certificate and --certificate-key")?;
        refuse(self.tls != Tls::Files && has_files, "--certificate and --certificate-key are for --tls files")?;
        refuse(self.tls != Tls::Acme && self.email.is_some(), "--email is for --tls acme")?;
        refuse(self.tls == Tls::Off && self.hsts > 0, "--hsts: without TLS browsers could not come at all")?;
        refuse(self.tls != Tls::Off && self.http_port == self.https_port, "--http-port and --https-port are the same")?;
        refuse(
            self.tls == Tls::Acme && self.http_port.0 != 80,
            "--http-port: the authority asks on port 80, and on no other",
        )?;
        if let Some(port) = self.port {
            refuse(port.0 < 1024, "--port: ports below 1024 need rights that the server does not have")?;
            refuse(
                port == self.http_port || self.tls != Tls::Off && port == self.https_port,
                "--port is the port of nginx; the server needs one of its own",
            )?;
        }
        refuse(
            self.port.is_none() && [self.http_port, self.https_port].contains(&self.metrics_port),
            "--metrics-port is a port of the site; it needs one of its own",
        )?;
        refuse(
            self.data.is_some() && self.user.is_none(),
            "--data: a folder of your own needs --user, because it must belong to somebody",
        )?;
        let (data, backups) = (self.data(), self.backups());
        let (data, backups) = (Path::new(&data), Path::new(&backups));
        refuse(
            backups.starts_with(data) || data.starts_with(backups),
            "--backups and the folder of --data are one within the other; a backup there would be lost with it",
        )?;
        refuse(self.max_per_address > self.max_connections, "--max-per-address is more than --max-connections")?;
        refuse(self.nginx_version < Version([1, 18, 0]), "--nginx-version: older than 1.18 is not supported")?;
        refuse(self.systemd_version < Version([247, 0, 0]), "--systemd-version: older than 247 is not supported")?;
        let first = self.path.split('/').nth(1).unwrap_or_default();
        refuse(
            ["b", "ws", "static", "echo", "healthz", "readyz", "metrics"].contains(&first),
            "--path begins with a path of the server's own",
        )
    }

    /// Where boards are kept.
    pub(super) fn data(&self) -> String {
        self.data.as_ref().map_or_else(|| format!("/var/lib/{}", self.name), ToString::to_string)
    }

    /// Where backups go.
    pub(super) fn backups(&self) -> String {
        self.backups.as_ref().map_or_else(|| format!("/var/backups/{}", self.name), ToString::to_string)
    }
}

/// The keys of a `deploy.toml` as flags, to be parsed as those are.
///
/// # Errors
/// A file that is no TOML, or a key that is none, with the nearest one that is.
pub(super) fn from_file(path: &Path, known: &[String]) -> Result<Vec<String>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    flags(&text, known).map_err(|why| format!("{shown}: {why}"))
}

fn flags(text: &str, known: &[String]) -> Result<Vec<String>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut flags = Vec::new();
    for (key, value) in table {
        if !known.contains(&key) {
            let nearest = known.iter().max_by(|a, b| strsim::jaro(&key, a).total_cmp(&strsim::jaro(&key, b)));
            return Err(format!("unknown key {key:?}; did you mean {:?}?", nearest.map_or("", String::as_str)));
        }
        let values = match value {
            toml::Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            match value {
                toml::Value::Boolean(true) => flags.push(format!("--{key}")),
                toml::Value::Boolean(false) => {}
                toml::Value::String(text) => flags.push(format!("--{key}={text}")),
                toml::Value::Integer(number) => flags.push(format!("--{key}={number}")),
                toml::Value::Float(number) => flags.push(format!("--{key}={number}")),
                _ => return Err(format!("{key} is neither a text nor a number")),
            }
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        parameters: Parameters,
    }

    fn checked(flags: &[&str]) -> Result<(), String> {
        let typed = Typed::try_parse_from([&["deploy"], flags].concat()).map_err(|error| error.to_string())?;
        typed.parameters.check()
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_flag_that_does() {
        for (flags, why) in [
            (&["--host", "localhost"][..], "--host: a name of the local network"),
            (&["--host", "localhost", "--allow-local"], "--tls acme: no authority certifies"),
            (&["--tls", "files"], "--tls files needs"),
            (&["--tls", "files", "--certificate", "/a.pem"], "--tls files needs"),
            (&["--tls", "off", "--certificate", "/a.pem"], "--certificate and --certificate-key are for"),
            (&["--tls", "off", "--email", "a@example.org"], "--email is for"),
            (&["--tls", "off", "--hsts", "30"], "--hsts: without TLS"),
            (&["--http-port", "443"], "are the same"),
            (&["--http-port", "8080"], "asks on port 80"),
            (&["--port", "80"], "--port: ports below 1024"),
            (&["--port", "8443", "--https-port", "8443"], "--port is the port of nginx"),
            (&["--metrics-port", "443"], "--metrics-port is a port of the site"),
            (&["--data", "/srv/draw"], "--data: a folder of your own needs --user"),
            (&["--user", "www-data"], "is the system's own"),
            (&["--user", "ink", "--data", "/srv/a", "--backups", "/srv/a"], "--backups and the folder of --data"),
            (&["--backups", "/var/lib/inkwire/x"], "--backups and the folder of --data"),
            (&["--max-per-address", "20000"], "--max-per-address is more"),
            (&["--nginx-version", "1.14"], "older than 1.18"),
            (&["--systemd-version", "241"], "older than 247"),
            (&["--path", "/ws/"], "--path begins with a path of the server's own"),
            (&["--ping-interval", "0"], "1..=3600"),
            (&["--memory", "1"], "64..=1048576"),
            (&["--tls", "no"], "[possible values: acme, files, off]"),
            (&["--port", "http"], "is not a port"),
            (&["--hots", "a.example"], "'--host'"),
        ] {
            let refusal = checked(flags).unwrap_err();
            assert!(refusal.contains(why), "{flags:?}: {refusal}");
        }
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&["--host", "localhost", "--allow-local", "--tls", "off", "--port", "8081"]), Ok(()));
    }

    #[test]
    fn a_file_has_the_same_names_and_says_the_nearest_for_one_that_is_none() {
        let known = ["host", "port", "trusted-proxy", "allow-local"].map(str::to_owned);
        let read = |text: &str| flags(text, &known);
        assert_eq!(
            read("host = 'a.example'\nport = 8081\nallow-local = true\ntrusted-proxy = ['10.0.0.1', '::1']\n"),
            Ok(["--allow-local", "--host=a.example", "--port=8081", "--trusted-proxy=10.0.0.1", "--trusted-proxy=::1"]
                .map(str::to_owned)
                .to_vec())
        );
        assert_eq!(read("hots = 'a'"), Err("unknown key \"hots\"; did you mean \"host\"?".into()));
        assert_eq!(read("host = {}"), Err("host is neither a text nor a number".into()));
        assert!(read("host = ").is_err());
        // A value cannot become another flag.
        assert_eq!(read("host = 'a --port=1'"), Ok(vec!["--host=a --port=1".into()]));
    }
}
