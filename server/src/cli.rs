//! The command line: what was typed. Each flag is also an environment variable.

use std::fmt::Debug;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::http::{Origin, PublicUrl};
use crate::net::listen::Address;
use crate::private::Wider;
use crate::rooms::Limits;
use crate::site::{BasePath, Scripts};
use crate::storage::Location;
use crate::ws::Settings;

/// Draw together in the browser: start it, open the page, draw; whoever opens the same page sees your ink as you draw it.
#[derive(Debug, Parser)]
#[command(
    name = "inkwire",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 clean stop, 1 failure, 2 wrong usage."
)]
pub struct Cli {
    /// The command; `serve` if there is none.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`, which may be left out.
    #[command(flatten)]
    pub serve: Serve,
}

/// The commands of the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve boards until SIGINT or SIGTERM (the default).
    Serve(Serve),
    /// List, show, export, import, delete, check and copy the boards of a data directory.
    Boards(crate::operate::boards::Flags),
    /// Draw on a board what standard input says: operations as lines of JSON (PROTOCOL.md), or an SVG.
    Draw(crate::client::Draw),
    /// Print what happens on a board, until it is stopped.
    Watch(crate::client::Watch),
    /// Ask a running server whether it is ready: exit code 0 where it is, 1 where it is not.
    Health {
        /// Where, as http://HOST:PORT/PATH.
        #[arg(default_value = "http://127.0.0.1:8081/readyz")]
        url: String,
    },
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The flags of `serve`.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Where to listen: HOST:PORT (port 0 picks a free one), unix:/PATH, or systemd for an inherited socket.
    #[arg(long, env = "INKWIRE_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    pub listen: Address,
    /// The directory where boards are kept; :memory: for nowhere, until the server stops.
    #[arg(long, env = "INKWIRE_DATA", default_value = "./inkwire-data", value_name = "DIRECTORY")]
    pub data: Location,
    /// Seconds to wait for another server to let go of that directory, as one does that hands over to this one.
    #[arg(long, env = "INKWIRE_DATA_WAIT", default_value = "0", value_name = "SECONDS", value_parser = patience)]
    pub data_wait: Duration,
    /// The file of the durable mark, which proves at the next start that no commit is missing [default: durable.mark in that
    /// directory]; on another disk it proves as well that the directory was deleted.
    #[arg(long, env = "INKWIRE_DURABLE_MARK", value_name = "FILE")]
    pub durable_mark: Option<PathBuf>,
    /// Take a directory on a network file system, where locks and syncs may not hold.
    #[arg(long, env = "INKWIRE_NETWORK_DATA")]
    pub network_data: bool,
    /// The path below which the page lives behind a proxy, whether the proxy strips it or not.
    #[arg(long, env = "INKWIRE_BASE_PATH", default_value = "/", value_name = "PATH")]
    pub base_path: BasePath,
    /// The form in which the page gets its scripts: in a debug build modules, otherwise bundled.
    #[arg(long, env = "INKWIRE_SCRIPTS", default_value_t = Scripts::DEFAULT, value_enum, value_name = "FORM", hide_default_value = true)]
    pub scripts: Scripts,
    /// An address of the site in browsers, as scheme://host/path/; may be given several times. Only requests for its host
    /// are answered, and only its pages may connect. Without it a listener on loopback answers to localhost and IP addresses only,
    /// unless --behind-proxy is given; any other listener answers to every host.
    #[arg(long, env = "INKWIRE_PUBLIC_URL", value_name = "URL", value_delimiter = ',')]
    pub public_url: Vec<PublicUrl>,
    /// Another site whose pages may open a board, as scheme://host or scheme://host:port; may be given several times.
    #[arg(long, env = "INKWIRE_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<Origin>,
    /// Most connections at once; further ones are answered 503.
    #[arg(long, env = "INKWIRE_MAX_CONNECTIONS", default_value_t = not_zero(Settings::DEFAULT.max_connections), value_name = "N")]
    pub max_connections: NonZeroUsize,
    /// Most connections at once from one IP address, or one /64 network of IPv6; further ones are answered 429. Without it a quarter of
    /// --max-connections, but 1,100 for a class behind one address; all of them with --behind-proxy, where all come from the proxy's.
    #[arg(long, env = "INKWIRE_MAX_PER_ADDRESS", value_name = "N")]
    pub max_per_address: Option<NonZeroUsize>,
    /// Take the address of whoever connects from the last entry of X-Forwarded-For, as a proxy before this server writes it.
    #[arg(long, env = "INKWIRE_BEHIND_PROXY")]
    pub behind_proxy: bool,
    /// Most boards; further ones are not made.
    #[arg(long, env = "INKWIRE_MAX_BOARDS", default_value_t = Limits::DEFAULT.boards, value_name = "N")]
    pub max_boards: u64,
    /// New boards that one address may make at once, and as many an hour; local clients may make any number.
    #[arg(long, env = "INKWIRE_BOARDS_PER_ADDRESS", default_value_t = not_zero(Limits::DEFAULT.boards_per_address), value_name = "N")]
    pub boards_per_address: NonZeroU32,
    /// Days after which a board is deleted on which nothing was ever drawn; 0 for never. A board with ink is never deleted.
    #[arg(long, env = "INKWIRE_EMPTY_BOARD_DAYS", default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=36_500))]
    pub empty_board_days: u32,
    /// Maximum size of one board on the disk, with its history, in MiB; nothing more is added to it then.
    #[arg(long, env = "INKWIRE_MAX_BOARD_SIZE", default_value_t = Limits::DEFAULT.board_size >> 20, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub max_board_size: u64,
    /// Maximum size of the database, in MiB; nothing more is added to any board then. 0 for as much as the disk takes.
    #[arg(long, env = "INKWIRE_MAX_DATA_SIZE", default_value_t = 0, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=1 << 30))]
    pub max_data_size: u64,
    /// Most members of one board at once; further ones are told so.
    #[arg(long, env = "INKWIRE_MAX_MEMBERS", default_value_t = not_zero(Limits::DEFAULT.members), value_name = "N")]
    pub max_members: NonZeroUsize,
    /// Most elements that are seen on one board; nothing more is added then, until something is deleted.
    #[arg(long, env = "INKWIRE_MAX_ELEMENTS", default_value_t = Limits::DEFAULT.elements as u32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500_000))]
    pub max_elements: u32,
    /// Points a second that one connection may draw for long, and fifty times as many at once; beyond that it is slowed down.
    #[arg(long, env = "INKWIRE_POINTS_RATE", default_value_t = not_zero(Limits::DEFAULT.points as u32), value_name = "N")]
    pub points_rate: NonZeroU32,
    /// KiB a second that one connection may send for long, likewise.
    #[arg(long, env = "INKWIRE_BYTES_RATE", default_value_t = not_zero(kib(Limits::DEFAULT.bytes)), value_name = "KIB")]
    pub bytes_rate: NonZeroU32,
    /// Points a second that all of one board together may draw for long; beyond that those wait who draw more than an equal part.
    #[arg(long, env = "INKWIRE_BOARD_POINTS_RATE", default_value_t = not_zero(Limits::DEFAULT.board_points as u32), value_name = "N")]
    pub board_points_rate: NonZeroU32,
    /// KiB a second that all of one board together may send for long, likewise.
    #[arg(long, env = "INKWIRE_BOARD_BYTES_RATE", default_value_t = not_zero(kib(Limits::DEFAULT.board_bytes)), value_name = "KIB")]
    pub board_bytes_rate: NonZeroU32,
    /// Most MiB of pictures that are kept, of all boards together; further ones are refused.
    #[arg(long, env = "INKWIRE_MAX_IMAGES", default_value_t = 1024, value_name = "MIB", value_parser = clap::value_parser!(u64).range(..=1 << 30))]
    pub max_images: u64,
    /// Maximum MiB of images and snapshots that are being sent at once, each counted once for all its readers; beyond that the
    /// oldest slow reader is disconnected.
    #[arg(long, env = "INKWIRE_MAX_IN_FLIGHT", default_value_t = (Limits::DEFAULT.in_flight >> 20) as u16, value_name = "MIB", value_parser = clap::value_parser!(u16).range(16..))]
    pub max_in_flight: u16,
    /// Where to listen for the operator's API, as HOST:PORT or unix:/PATH; nowhere where nothing is said.
    #[arg(long, env = "INKWIRE_ADMIN", value_name = "ADDRESS", requires = "admin_token_file")]
    pub admin: Option<Address>,
    /// A file whose first line is the token of the operator's API: 16 letters or more, sent as Authorization: Bearer TOKEN.
    #[arg(long, env = "INKWIRE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// What is done where others may read the file of that token, or enter the data directory.
    #[arg(long, env = "INKWIRE_PRIVATE_FILES", default_value = "warn", value_name = "WHAT")]
    pub private_files: Wider,
    /// Wrong tokens of the operator's API that one address may send a minute, and at once; beyond that none of its tokens is looked at,
    /// and it is answered 429.
    #[arg(long, env = "INKWIRE_ADMIN_GUESSES", default_value_t = NonZeroU32::new(10).expect("not zero"), value_name = "N")]
    pub admin_guesses: NonZeroU32,
    /// Worker threads; one per core where nothing is said.
    #[arg(long, env = "INKWIRE_WORKERS", value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Seconds of silence after which a connection is asked for a sign of life; it has 10 s to give one.
    #[arg(long, env = "INKWIRE_PING_INTERVAL", default_value = "25", value_name = "SECONDS", value_parser = seconds)]
    pub ping_interval: Duration,
    /// Seconds that a board stays in memory when everybody has left it.
    #[arg(long, env = "INKWIRE_LINGER", default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub linger: Duration,
    /// Seconds that a stopping server gives its members to take what is meant for them.
    #[arg(long, env = "INKWIRE_DRAIN", default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub drain: Duration,
    /// Least important log level that is written: off, error, warn, info, debug or trace.
    #[arg(long, env = "INKWIRE_LOG", default_value = "info", value_name = "LEVEL")]
    pub log: tracing::level_filters::LevelFilter,
    /// How logs are written to standard error.
    #[arg(long, env = "INKWIRE_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// Returns a default that the type of its flag keeps from being zero.
fn not_zero<T, N: TryFrom<T, Error: Debug>>(default: T) -> N {
    N::try_from(default).expect("Bug: no default is zero")
}

/// Returns bytes as whole KiB.
fn kib(bytes: f64) -> u32 {
    (bytes / 1024.0) as u32
}

fn patience(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be between 0.1 and 86400 seconds".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_flags_a_server_has_the_default_settings_of_the_library() {
        let flags = Cli::parse_from(["inkwire"]).serve;
        assert_eq!(flags.ping_interval, Settings::DEFAULT.ping_interval);
        assert_eq!(flags.max_connections.get(), Settings::DEFAULT.max_connections);
        assert_eq!(flags.max_members.get(), Limits::DEFAULT.members);
    }

    #[test]
    fn every_flag_of_serve_is_also_an_environment_variable() {
        for flag in Cli::command().get_arguments().filter(|flag| !["help", "version"].contains(&flag.get_id().as_str()))
        {
            let expected = format!("INKWIRE_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(expected.as_str()), "{flag}");
        }
    }
}
