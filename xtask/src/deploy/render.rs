//! From a description to files: what is derived from it, and the templates. Pure.

use minijinja::{Environment, UndefinedBehavior, context};

use super::parameters::{Parameters, Tls};
use super::shape;
use super::value::Version;

/// By what a file is known as one of ours; it stands in each.
pub(super) const MARK: &str = "Written by `cargo xtask gen-deploy";

/// A file that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// From the folder of the deployment.
    pub(super) path: String,
    pub(super) text: String,
}

/// Pings of a silent connection before a proxy takes it for dead.
const ASKED: u32 = 3;
/// Descriptors of a server beside those of its connections.
const OWN_DESCRIPTORS: u32 = 256;

/// Renders every file of a deployment. `flags` are those that differ from the defaults, for the header.
///
/// # Errors
/// If a rendered file has not the shape of its kind: that is a bug, and nothing is written.
pub(super) fn render(parameters: &Parameters, flags: &str) -> Result<Vec<File>, String> {
    let name: &str = &parameters.name;
    let is_unix = parameters.port.is_none();
    let mut templates = vec![
        (format!("nginx/{name}.conf"), include_str!("templates/site.conf")),
        (format!("nginx/{name}-main.conf"), include_str!("templates/main.conf")),
        (format!("nginx/snippets/{name}-headers.conf"), include_str!("templates/headers.conf")),
        (format!("nginx/snippets/{name}-proxy.conf"), include_str!("templates/proxy.conf")),
        (format!("systemd/{name}.service"), include_str!("templates/service")),
        (format!("systemd/backup/{name}-backup.service"), include_str!("templates/backup.service")),
        (format!("systemd/backup/{name}-backup.timer"), include_str!("templates/backup.timer")),
        ("debian/postinst".to_owned(), include_str!("templates/postinst")),
        ("debian/prerm".to_owned(), include_str!("templates/prerm")),
        ("debian/postrm".to_owned(), include_str!("templates/postrm")),
        ("caddy/Caddyfile".to_owned(), include_str!("templates/Caddyfile")),
        ("docker/Dockerfile".to_owned(), include_str!("templates/Dockerfile")),
        ("docker/Dockerfile.dockerignore".to_owned(), include_str!("templates/dockerignore")),
        ("docker/compose.yaml".to_owned(), include_str!("templates/compose.yaml")),
        ("prometheus/prometheus.yml".to_owned(), include_str!("templates/prometheus.yml")),
        ("INSTALL.md".to_owned(), include_str!("templates/INSTALL.md")),
    ];
    if is_unix {
        templates.push((format!("systemd/{name}.socket"), include_str!("templates/socket")));
    }
    if parameters.tls == Tls::Acme {
        templates.push((format!("nginx/{name}-first.conf"), include_str!("templates/first.conf")));
    }
    if parameters.user.is_some() {
        templates.push((format!("systemd/{name}.sysusers"), include_str!("templates/sysusers.conf")));
        templates.push((format!("systemd/{name}.tmpfiles"), include_str!("templates/tmpfiles.conf")));
    }
    let values = values(parameters, flags);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut files = Vec::new();
    for (path, template) in templates {
        let text = environment.render_str(template, &values).map_err(|error| format!("Bug: {path}: {error:#}"))?;
        let text = format!("{}\n", text.trim_end());
        shape::check(&path, &text, parameters).map_err(|why| format!("Bug: {path} is not as it should be: {why}"))?;
        files.push(File { path, text });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The arguments of the server, but for where it listens and keeps its boards.
fn arguments(parameters: &Parameters) -> Vec<String> {
    let Parameters { path, ping_interval, drain, max_connections, allow_origin, .. } = parameters;
    let mut arguments = vec![
        format!("--base-path {path}"),
        format!("--public-url {}://{}{path}", scheme(parameters), authority(parameters)),
        format!("--ping-interval {ping_interval}"),
        format!("--drain {drain}"),
        format!("--max-connections {max_connections}"),
        // What limits and bans go by is who the proxy says.
        "--behind-proxy".into(),
        // All come from the proxy, which counts them by who they are.
        format!("--max-per-address {max_connections}"),
    ];
    arguments.extend(allow_origin.iter().map(|origin| format!("--allow-origin {origin}")));
    arguments
}

fn scheme(parameters: &Parameters) -> &'static str {
    if parameters.tls == Tls::Off { "http" } else { "https" }
}

/// Host and port in the address bar, without a port that is the usual one.
fn authority(parameters: &Parameters) -> String {
    let (port, usual) = match parameters.tls {
        Tls::Off => (parameters.http_port, 80),
        _ => (parameters.https_port, 443),
    };
    if port.0 == usual { parameters.host.to_string() } else { format!("{}:{}", parameters.host, port.0) }
}

fn values(parameters: &Parameters, flags: &str) -> minijinja::Value {
    let name: &str = &parameters.name;
    let is_unix = parameters.port.is_none();
    let listen = parameters.port.map_or("systemd".into(), |port| format!("127.0.0.1:{}", port.0));
    let upstream = match parameters.port {
        Some(port) => format!("127.0.0.1:{}", port.0),
        None => format!("unix:/run/{name}.sock"),
    };
    let certificate = |file: &str, given: &Option<super::value::FilePath>| {
        given.as_ref().map_or_else(|| format!("/etc/letsencrypt/live/{}/{file}", parameters.host), ToString::to_string)
    };
    let with_directive = parameters.nginx_version >= Version([1, 25, 1]);
    let data = parameters.data();
    let mut units =
        vec![format!("{name}.service"), format!("backup/{name}-backup.service"), format!("backup/{name}-backup.timer")];
    units.extend(is_unix.then(|| format!("{name}.socket")));
    let header_text = header(flags);
    let all = arguments(parameters);
    let docker: Vec<String> =
        ["--listen 0.0.0.0:8081", "--data /boards"].iter().map(ToString::to_string).chain(all.clone()).collect();
    let docker_arguments = docker
        .iter()
        .flat_map(|argument| argument.split(' '))
        .map(|word| format!("{word:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    let derived = context! {
        header => format!("# {header_text}"),
        header_text,
        zone => name.replace('-', "_"),
        prefix => parameters.path.without_slash(),
        is_unix,
        authority => authority(parameters),
        scheme => scheme(parameters),
        caddy_upstream => upstream.replace("unix:", "unix/"),
        // Caddy 2.7 knows it; Debian 12 has 2.6.
        caddy_delay => false,
        upstream,
        certificate => certificate("fullchain.pem", &parameters.certificate),
        certificate_key => certificate("privkey.pem", &parameters.certificate_key),
        http2_listen => if with_directive { "" } else { " http2" },
        http2_directive => if with_directive { "\n    http2 on;" } else { "" },
        silence => parameters.ping_interval * ASKED,
        burst => parameters.handshakes * 2,
        hsts_seconds => u64::from(parameters.hsts) * 86_400,
        stop => parameters.drain + 30,
        descriptors => parameters.max_connections + OWN_DESCRIPTORS,
        command => format!("{} serve --listen {listen} --data {data} --data-wait 30 {}", parameters.binary, all.join(" ")),
        docker_arguments,
        nginx_connections => parameters.max_connections * 2 + 512,
        nginx_descriptors => parameters.max_connections * 4 + 1024,
        docker_port => parameters.port.map_or(8081, |port| port.0),
        scrape_port => parameters.port.unwrap_or(parameters.metrics_port).0,
        data_is_own => parameters.data.is_some(),
        backups => parameters.backups(),
        protect_home => if data.starts_with("/home/") || parameters.backups().starts_with("/home/") { "no" } else { "yes" },
        data,
        units,
        debian => if parameters.systemd_version >= Version([252, 0, 0]) { "12" } else { "11" },
    };
    // What is derived stands before what is given under the same name.
    context! { ..derived, ..minijinja::Value::from(minijinja::value::Serde(parameters)) }
}

fn header(flags: &str) -> String {
    let flags = if flags.is_empty() { String::new() } else { format!(" {flags}") };
    format!("{MARK}{flags}`. Change the flags, not the file: `--check` tells what differs.")
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};
    use proptest::prelude::*;

    use super::*;

    fn parameters(flags: &[&str]) -> Option<Parameters> {
        let command = Parameters::augment_args(Command::new("deploy"));
        let matches = command.try_get_matches_from([&["deploy"], flags].concat()).ok()?;
        Parameters::from_arg_matches(&matches).ok().filter(|parameters| parameters.check().is_ok())
    }

    proptest! {
        /// Whatever passes the types leaves every file in its shape, which `render` looks at last.
        #[test]
        fn no_value_changes_the_shape_of_a_file(
            host in "[a-z0-9.$;{} \\n\"'#%-]{1,12}\\.[a-z;{ ]{2,4}",
            path in "/[a-z0-9._/$;{} \\n\"'#%-]{0,12}",
            name in "[a-z][a-z0-9 ;{}%$-]{0,8}",
            origin in "https?://[a-z0-9.;{}$ -]{1,12}",
            data in "/srv/[a-z0-9._/$;{} %\\\\-]{1,8}",
        ) {
            let values =
                [("--host", &host), ("--path", &path), ("--name", &name), ("--allow-origin", &origin), ("--data", &data)];
            for (flag, value) in values {
                if let Some(parameters) = parameters(&[&format!("{flag}={value}"), "--user=ink"]) {
                    prop_assert!(render(&parameters, "").is_ok(), "{flag}={value:?}");
                }
            }
        }
    }

    #[test]
    fn time_outs_and_limits_come_from_one_number_each() {
        let parameters = parameters(&["--ping-interval=40", "--max-connections=500"]).unwrap();
        let files = render(&parameters, "").unwrap();
        let text = |end: &str| &files.iter().find(|file| file.path.ends_with(end)).unwrap().text;
        assert!(text("nginx/inkwire.conf").contains("proxy_read_timeout 120s;"));
        assert!(
            text("inkwire.service").contains("--ping-interval 40 ")
                && text("inkwire.service").contains("LimitNOFILE=756\n")
        );
        assert!(text("INSTALL.md").contains("worker_connections 1512;"));
    }
}
