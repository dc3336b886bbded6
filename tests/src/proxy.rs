//! A network that fails: a TCP proxy that delays, stalls, cuts, half-closes and doubles connections, by a seed, and silences them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::dice::Dice;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Holds,
    /// It is cut when so many bytes have come from the client.
    IsCut(u64),
    /// Nothing more passes either way once so many have, for a while; then it is cut.
    Stalls(u64),
    /// The client's side is closed towards the server when so many bytes have come; the other side stays open.
    IsHalfClosed(u64),
    /// Everything from the client arrives later.
    IsDelayed,
    /// Everything from the client goes to the server a second time, on a connection of its own, and is cut then.
    IsDoubled(u64),
}

/// A proxy on loopback.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect.
    pub address: String,
    fails: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
    open: Arc<Mutex<Vec<Open>>>,
}

/// A connection of a client, and whether it carries nothing any more.
#[derive(Debug)]
struct Open {
    client: TcpStream,
    is_silent: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy in front of a server that lets connections fail.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start(server: &str, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let (fails, faults) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let open = Arc::<Mutex<Vec<Open>>>::default();
        let proxy = Self { address, fails: fails.clone(), faults: faults.clone(), open: open.clone() };
        let server = server.to_owned();
        std::thread::spawn(move || {
            let mut dice = Dice(seed);
            for client in listener.incoming().flatten() {
                let fate = if fails.load(Ordering::Relaxed) { fate(&mut dice) } else { Fate::Holds };
                let (server, faults, is_silent) = (server.clone(), faults.clone(), Arc::<AtomicBool>::default());
                if let Ok(client) = client.try_clone() {
                    let is_silent = is_silent.clone();
                    open.lock().expect("no thread panics with it").push(Open { client, is_silent });
                }
                std::thread::spawn(move || pass(client, &server, fate, &faults, &is_silent));
            }
        });
        proxy
    }

    /// How many connections have failed.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// From now on new connections hold; those that are open are cut.
    ///
    /// # Panics
    /// Never in practice: no thread panics with the lock.
    pub fn heal(&self) {
        self.fails.store(false, Ordering::Relaxed);
        for Open { client, .. } in self.open.lock().expect("no thread panics with it").drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// From now on those that are open carry nothing either way, and are not closed.
    ///
    /// # Panics
    /// Never in practice: no thread panics with the lock.
    pub fn silence(&self) {
        for Open { is_silent, .. } in self.open.lock().expect("no thread panics with it").iter() {
            is_silent.store(true, Ordering::Relaxed);
        }
    }
}

fn fate(dice: &mut Dice) -> Fate {
    let after = 400 + dice.below(1500);
    match dice.below(10) {
        0..=4 => Fate::IsCut(after),
        5 => Fate::Stalls(after),
        6 => Fate::IsHalfClosed(after),
        7 => Fate::IsDelayed,
        _ => Fate::IsDoubled(after),
    }
}

/// Carries everything one way until that ends.
fn carry(from: &mut TcpStream, to: &mut TcpStream, is_silent: &AtomicBool) {
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !is_silent.load(Ordering::Relaxed) && to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn pass(client: TcpStream, server: &str, fate: Fate, faults: &AtomicU64, is_silent: &Arc<AtomicBool>) {
    let Ok(upstream) = TcpStream::connect(server) else { return };
    let mut twin = matches!(fate, Fate::IsDoubled(_)).then(|| TcpStream::connect(server).ok()).flatten();
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (Ok(mut from), Ok(mut to)) = (upstream.try_clone(), client.try_clone()) else { return };
    let is_silent_back = is_silent.clone();
    std::thread::spawn(move || {
        carry(&mut from, &mut to, &is_silent_back);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut client, mut upstream) = (client, upstream);
    let (mut buffer, mut passed) = ([0; 512], 0u64);
    // A connection that is delayed fails too, in the end: the point is what comes late.
    let limit = match fate {
        Fate::Holds => u64::MAX,
        Fate::IsCut(after) | Fate::Stalls(after) | Fate::IsHalfClosed(after) | Fate::IsDoubled(after) => after,
        Fate::IsDelayed => 1500,
    };
    while passed < limit {
        let Ok(read @ 1..) = client.read(&mut buffer) else { break };
        if is_silent.load(Ordering::Relaxed) {
            continue;
        }
        if fate == Fate::IsDelayed {
            std::thread::park_timeout(Duration::from_millis(15));
        }
        // The last bytes are cut wherever they are, also in the middle of a frame.
        let whole = read.min(usize::try_from(limit - passed).unwrap_or(read));
        if upstream.write_all(&buffer[..whole]).is_err() {
            break;
        }
        if let Some(twin) = &mut twin {
            let _ = twin.write_all(&buffer[..whole]);
        }
        passed += whole as u64;
    }
    if passed >= limit {
        faults.fetch_add(1, Ordering::Relaxed);
        match fate {
            Fate::Stalls(_) => std::thread::park_timeout(Duration::from_millis(150)),
            Fate::IsHalfClosed(_) => {
                let _ = upstream.shutdown(Shutdown::Write);
                std::thread::park_timeout(Duration::from_millis(100));
            }
            _ => {}
        }
    }
    let _ = (upstream.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
}
