//! Echo servers measured beside each other in one run: processor time of the server for each message.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Executor};

use crate::raw::{Raw, client_frame};
use crate::server::Server;
use crate::tools::root;

/// Bytes of a message.
const PAYLOAD: usize = 64;
/// The kernel counts processor time in ticks of a hundredth of a second (`sysconf(_SC_CLK_TCK)` on Linux).
const TICK: f64 = 0.01;

/// What an echo server spent on each message, in microseconds, at some number of connections.
#[derive(Debug, Clone)]
pub struct Spent {
    /// Which server.
    pub name: &'static str,
    /// How many connections sent a message, waited for its echo, and sent the next.
    pub connections: usize,
    /// The median over the rounds.
    pub microseconds: f64,
    /// The least and the most of a round: what two servers differ by within it is the machine.
    pub range: [f64; 2],
}

/// Measures every echo server that is built, in rounds that take turns.
///
/// # Panics
/// If one of them does not start.
pub fn compare(rounds: usize, lasts: Duration) -> Vec<Spent> {
    let mut all = Vec::new();
    for connections in [1, 100, 1000] {
        let mut measured: Vec<(&'static str, Vec<f64>)> = peers().map(|(name, _)| (name, Vec::new())).collect();
        for _ in 0..rounds {
            for ((_, values), (_, mut command)) in measured.iter_mut().zip(peers()) {
                values.push(measure(&Server::spawn(&mut command), "/", connections, lasts));
            }
        }
        for (name, mut values) in measured {
            values.sort_by(f64::total_cmp);
            let range = [values[0], values[values.len() - 1]];
            all.push(Spent { name, connections, microseconds: values[values.len() / 2], range });
        }
    }
    all
}

/// The servers and how they are started; one that is not built is left out, and said so.
fn peers() -> impl Iterator<Item = (&'static str, Command)> {
    let folder = root();
    let program = |path: &Path, arguments: &[&str]| {
        let mut command = Command::new(path);
        command.args(arguments).current_dir(root());
        command
    };
    let built = [
        ("inkwire", folder.join("target/release/examples/echo"), &["127.0.0.1:0"][..]),
        ("fastwebsockets", folder.join("tests/peers/target/release/fastwebsockets"), &[]),
        ("tokio-tungstenite", folder.join("tests/peers/target/release/tokio-tungstenite"), &[]),
    ];
    let rust = built.into_iter().filter(|(name, path, _)| {
        let is_there = path.exists();
        if !is_there {
            eprintln!("{name} is left out: {} is not built", path.display());
        }
        is_there
    });
    let rust = rust.map(move |(name, path, arguments)| (name, program(&path, arguments)));
    let has_ws = folder.join("tests/node_modules/ws").exists();
    if !has_ws {
        eprintln!("Node ws is left out: `cargo xtask setup` installs it");
    }
    rust.chain(has_ws.then(|| ("Node ws", program(Path::new("node"), &["tests/peers/ws.mjs"]))))
}

/// Returns the processor time that a server spends on an echo at a path, in microseconds, at a number of connections.
///
/// # Panics
/// If it takes no connection.
pub fn measure(server: &Server, path: &str, connections: usize, lasts: Duration) -> f64 {
    let sockets: Vec<TcpStream> = (0..connections).map(|_| Raw::upgrade(&server.address, path, "").stream).collect();
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let executor = Executor::new();
    for socket in sockets {
        let socket = Async::new(socket).expect("a socket");
        executor.spawn(ping_pong(socket, stop.clone(), count.clone())).detach();
    }
    let before = server.ticks();
    smol::block_on(executor.run(async { _ = smol::Timer::after(lasts).await }));
    stop.store(true, Ordering::Relaxed);
    (server.ticks() - before) as f64 * TICK * 1e6 / count.load(Ordering::Relaxed).max(1) as f64
}

async fn ping_pong(mut socket: Async<TcpStream>, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let message = client_frame(0x82, &[7; PAYLOAD]);
    let mut echo = [0; PAYLOAD + 2];
    while !stop.load(Ordering::Relaxed) {
        if socket.write_all(&message).await.is_err() || socket.read_exact(&mut echo).await.is_err() {
            return;
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}
