//! `inkwire serve`: puts the server together, runs it, and stops it cleanly.

use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_signal::{Signal, Signals};
use prometheus_client::metrics::counter::Counter;
use smol::future::FutureExt;
use smol::stream::StreamExt;

use crate::cli::{LogFormat, Serve};
use crate::descriptors::{self, Shares};
use crate::http::Hosts;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::net::listen::{Address, Listener};
use crate::net::worker::Workers;
use crate::notify::{notify, watchdog};
use crate::operate::admin::{self, Admin};
use crate::private;
use crate::rooms::{Limits, Rooms};
use crate::site::{Echo, Site};
use crate::storage::{Engine, Location, Opening};
use crate::ws::{Addresses, Close, Connections, Hub, Settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two looks for boards on which nothing was ever drawn.
const EXPIRY: Duration = Duration::from_secs(60 * 60);

/// Time that accepted connections have for their first request when the server stops.
const ANSWERS: Duration = Duration::from_secs(1);

/// Connections that one address has in any case: a class of 150 that opens the page at once has some 1,050, because a browser
/// keeps six beside its WebSocket.
const CLASS: usize = 1_100;

/// Serves until SIGINT or SIGTERM, and then stops cleanly; a second signal stops at once.
///
/// # Errors
/// If the address cannot be listened on.
pub fn run(flags: Serve) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::default());
    let log = Log::start(std::io::stderr(), metrics.log_dropped.clone()).context("a thread could not be started")?;
    let _flushed_at_the_end = FlushAtEnd(log.clone());
    start_log(&flags, log);
    std::panic::set_hook(Box::new(panic_hook(metrics.panics.clone())));
    descriptors::raise_limit();
    smol::block_on(serve(flags, metrics))
}

/// Writes the last lines when the server ends, also by a panic.
struct FlushAtEnd(Log);

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        self.0.flush();
    }
}

fn start_log(flags: &Serve, log: Log) {
    let write = move || log.clone();
    let log = tracing_subscriber::fmt().with_max_level(flags.log).with_writer(write).with_ansi(false);
    // A second start in one process (a test) keeps the first one's log.
    let _ = match flags.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Counts the panics of every thread, also of those that nobody waits for, and logs each.
fn panic_hook(panics: Counter) -> impl Fn(&PanicHookInfo<'_>) + Send + Sync {
    move |panic| {
        panics.inc();
        // One line and no backtrace: a request of 40 bytes must not write kilobytes of log.
        let at = panic.location().map_or("?".into(), ToString::to_string);
        tracing::error!(at, panic = panic.payload_as_str().unwrap_or("?"), "a thread panicked");
    }
}

async fn serve(flags: Serve, metrics: Arc<Metrics>) -> anyhow::Result<()> {
    check_public_urls(&flags)?;
    let listener = Listener::bind(&flags.listen)?;
    let mut signals = Signals::new([Signal::Int, Signal::Term]).context("signals cannot be handled")?;
    let workers = Workers::start(flags.workers, metrics.tasks.clone());
    let workers = workers.context("a worker thread could not be started")?;
    let engine = open_engine(&flags, &metrics).await?;
    let shares = Shares::now(flags.max_connections.get());
    metrics.max_connections.set(shares.connections as i64);
    let site = Arc::new(Site {
        rooms: Rooms::new(engine.clone(), metrics.clone(), workers.clone(), flags.linger, limits(&flags)),
        metrics,
        connections: Connections::default(),
        settings: Settings {
            max_message: inkwire_protocol::limits::CLIENT_PACKET,
            max_connections: shares.connections,
            max_per_address: most_per_address(&flags, shares.connections),
            ping_interval: flags.ping_interval,
            ..Settings::DEFAULT
        },
        base_path: flags.base_path.clone(),
        scripts: flags.scripts,
        hosts: hosts(&flags, &listener),
        is_short_of_descriptors: shares.connections < flags.max_connections.get(),
        max_overflow: shares.overflow,
        behind_proxy: flags.behind_proxy,
        addresses: Addresses::default(),
        overflow: Addresses::default(),
        owed: Arc::default(),
        echo: Hub::new(Echo),
    });
    if let Some(directory) = flags.data.directory() {
        crate::operate::control::listen(directory, engine.clone(), site.rooms.clone())?;
    }
    let admin = admin(&flags, &site, engine.clone(), shares.admin)?;
    let url = public_url(&flags, &listener);
    println!("inkwire: draw at {url}");
    tracing::info!(%url, at = listener.url(site.base_path.as_str()), "listening");
    notify("READY=1");
    let expires = expire_empty_boards(engine.clone());
    let life = async {
        let serving = workers.serve_all(&listener, |socket| site.clone().serve(socket));
        let serving = serving.or(serve_admin(&workers, admin.as_ref()));
        let signal = serving.or(async { signals.next().await.and_then(Result::ok) }).await;
        drop(listener);
        let second = async {
            _ = signals.next().await;
            Err(anyhow::anyhow!("stopped at once, by a second signal"))
        };
        stop(&site, &flags, engine, signal).or(second).await
    };
    life.or(show_life(&workers)).or(expires).await
}

fn hosts(flags: &Serve, listener: &Listener) -> Hosts {
    Hosts::new(&flags.public_url, flags.allow_origin.clone(), listener.is_loopback(), flags.behind_proxy)
}

/// A public URL ends in the base path, or leaves it out.
fn check_public_urls(flags: &Serve) -> anyhow::Result<()> {
    let base_path = flags.base_path.as_str();
    for path in flags.public_url.iter().filter_map(|url| url.path.as_deref()) {
        anyhow::ensure!(
            path == base_path,
            "--public-url: its path is {path}, --base-path is {base_path}; give both alike"
        );
    }
    Ok(())
}

/// The address for people: the first public one, or that of the listener.
fn public_url(flags: &Serve, listener: &Listener) -> String {
    let base_path = flags.base_path.as_str();
    flags.public_url.first().map_or_else(|| listener.url(base_path), |url| format!("{}{base_path}", url.origin))
}

/// The operator's API and where it listens, where that is asked for.
fn admin(
    flags: &Serve,
    site: &Site,
    engine: Arc<dyn Engine>,
    connections: usize,
) -> anyhow::Result<Option<(Listener, Arc<Admin>)>> {
    let (Some(address), Some(file)) = (&flags.admin, &flags.admin_token_file) else { return Ok(None) };
    private::check(file, flags.private_files)?;
    let token = admin::read_token(file)?;
    let listener = Listener::bind(address)?;
    tracing::info!(url = listener.url("/v1/"), "the operator's API listens");
    let hosts = match address {
        Address::Unix(_) => hosts(flags, &listener).any(),
        _ => hosts(flags, &listener).also_local(),
    };
    let admin = Admin::new(token, flags.admin_guesses, hosts, site.rooms.clone(), engine, site.metrics.clone());
    Ok(Some((listener, Arc::new(admin.with_connections(connections)))))
}

async fn serve_admin<T>(workers: &Workers, admin: Option<&(Listener, Arc<Admin>)>) -> T {
    match admin {
        Some((listener, admin)) => workers.serve_all(listener, |socket| admin.clone().serve(socket)).await,
        None => smol::future::pending().await,
    }
}

/// Tells a watchdog that this thread and every worker still take turns, for as long as they do.
async fn show_life<T>(workers: &Workers) -> T {
    let Some(pause) = watchdog() else { return smol::future::pending().await };
    loop {
        workers.take_a_turn_each().await;
        notify("WATCHDOG=1");
        smol::Timer::after(pause).await;
    }
}

async fn open_engine(flags: &Serve, metrics: &Arc<Metrics>) -> anyhow::Result<Arc<dyn Engine>> {
    if let Some(directory) = flags.data.directory().filter(|directory| directory.exists()) {
        private::check(directory, flags.private_files)?;
    }
    let (location, metrics) = (flags.data.clone(), metrics.clone());
    let opening = Opening {
        patience: flags.data_wait,
        mark: flags.durable_mark.clone(),
        may_be_on_network: flags.network_data,
        most_bytes: flags.max_data_size << 20,
        most_image_bytes: flags.max_images << 20,
        empty_boards: (flags.empty_board_days > 0).then(|| DAY * flags.empty_board_days),
    };
    Ok(smol::unblock(move || location.open(&opening, metrics)).await?)
}

/// Connections of one address at most: a share that leaves places for others, where nothing is said.
fn most_per_address(flags: &Serve, connections: usize) -> usize {
    match flags.max_per_address {
        Some(most) => most.get(),
        None if flags.behind_proxy => connections,
        None => (connections / 4).max(CLASS).min(connections),
    }
}

fn limits(flags: &Serve) -> Limits {
    Limits {
        boards: flags.max_boards,
        members: flags.max_members.get(),
        elements: flags.max_elements as usize,
        boards_per_address: flags.boards_per_address.get(),
        board_size: flags.max_board_size << 20,
        points: f64::from(flags.points_rate.get()),
        bytes: f64::from(flags.bytes_rate.get()) * 1024.0,
        board_points: f64::from(flags.board_points_rate.get()),
        board_bytes: f64::from(flags.board_bytes_rate.get()) * 1024.0,
        in_flight: usize::from(flags.max_in_flight) << 20,
    }
}

/// Deletes boards on which nothing was ever drawn, now and then.
async fn expire_empty_boards<T>(engine: Arc<dyn Engine>) -> T {
    loop {
        smol::Timer::after(EXPIRY).await;
        let engine = engine.clone();
        if let Err(error) = smol::unblock(move || engine.expire_empty_boards()).await {
            tracing::warn!(%error, "empty boards could not be deleted");
        }
    }
}

/// Tells every member to come back and gives them time to take what is meant for them.
async fn stop(site: &Arc<Site>, flags: &Serve, engine: Arc<dyn Engine>, signal: Option<Signal>) -> anyhow::Result<()> {
    notify("STOPPING=1");
    let code = if signal == Some(Signal::Int) { Close::GOING_AWAY } else { Close::RESTART };
    tracing::info!(?signal, connections = site.connections.count(), "stopping");
    site.rooms.flush_all();
    site.connections.stop(code);
    site.connections.drained_or_ended(flags.drain).await;
    site.rooms.flush_all();
    let (rooms, location, drain) = (site.rooms.clone(), flags.data.clone(), flags.drain);
    let unwritten = smol::unblock(move || close(&rooms, &*engine, &location, drain)).await;
    // Last: the disk is another server's by now, and no board is opened any more.
    site.all_answered(ANSWERS).await;
    tracing::info!(left = site.connections.count(), "stopped");
    if unwritten > 0 {
        anyhow::bail!(
            "{unwritten} operations could not be written: the disk takes nothing; the pages that drew them have them"
        );
    }
    Ok(())
}

/// Writes what is still to be written and closes all boards; gives how many operations the disk did not take.
fn close(rooms: &Rooms, engine: &dyn Engine, location: &Location, drain: Duration) -> u64 {
    let unwritten = engine.unwritten(drain);
    if unwritten == 0 {
        location.directory().into_iter().for_each(crate::operate::control::close);
        rooms.close_all();
        engine.stop();
    }
    unwritten
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_thread_that_nobody_waits_for_is_counted() {
        let panics = Counter::default();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(panic_hook(panics.clone())));
        let ended = std::thread::spawn(|| panic!("planned")).join();
        std::panic::set_hook(before);
        assert!(ended.is_err());
        assert!(panics.get() >= 1, "other tests panic as well");
    }
}
