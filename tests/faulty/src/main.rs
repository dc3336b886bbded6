//! An echo server in which one fault of each kind can be planted: `cargo xtask leakcheck --self-test` must find it, at the
//! line that is marked. It is also the example of a server of one's own: `faulty serve`, and `faulty traffic` for a round.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use async_signal::{Signal, Signals};
use smol::Async;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::stream::StreamExt;

/// Connections of a round, for each unit of LEAKCHECK_TIMES.
const CONNECTIONS: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => smol::block_on(serve("none")),
        ["serve", "--fault", fault] => smol::block_on(serve(fault)),
        ["traffic"] => traffic(),
        _ => {
            eprintln!("faulty: type `faulty serve [--fault NAME]` or `faulty traffic`");
            std::process::exit(2);
        }
    }
}

/// Serves until SIGTERM, and then returns, so that tools can report: `exit` would leave out what destructors give back.
async fn serve(fault: &str) {
    let mut signals = Signals::new([Signal::Term]).expect("signals can be handled");
    let stop = async { _ = signals.next().await };
    accept(fault).or(stop).await;
}

async fn accept(fault: &str) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port is free");
    println!("faulty: at http://{}/", listener.get_ref().local_addr().expect("it has an address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection comes");
        smol::spawn(echo(stream, fault.to_owned())).await;
    }
}

/// Answers what comes, and does what is planted.
async fn echo(mut stream: Async<TcpStream>, fault: String) {
    let mut words = [0; 64];
    let read = stream.read(&mut words).await.unwrap_or(0);
    plant(&fault);
    let _ = stream.write_all(&words[..read]).await;
}

#[inline(never)]
fn plant(fault: &str) {
    match fault {
        "box" => leak_a_box(),
        "cycle" => close_a_cycle(),
        "map" => forget_an_entry(),
        "task" => spawn_a_task_that_never_ends(),
        "descriptor" => forget_a_descriptor(),
        "overrun" => write_past_the_end(),
        "use-after-free" => read_what_was_freed(),
        _ => {}
    }
}

#[inline(never)]
fn leak_a_box() {
    black_box(Box::leak(black_box(Box::new([7u8; 700])))); // FAULT: box
}

struct Node {
    _next: Mutex<Option<Arc<Node>>>,
    _weight: [u8; 900],
}

#[inline(never)]
fn close_a_cycle() {
    let node = Arc::new(Node { _next: Mutex::new(None), _weight: black_box([7; 900]) }); // FAULT: cycle
    *node._next.lock().expect("nobody panics here") = Some(node.clone());
}

static ENTRIES: Mutex<Option<HashMap<usize, Vec<u8>>>> = Mutex::new(None);

#[inline(never)]
fn forget_an_entry() {
    let mut entries = ENTRIES.lock().expect("nobody panics here");
    let entries = entries.get_or_insert_with(HashMap::new);
    let entry = black_box(vec![7; 800]); // FAULT: map
    entries.insert(entries.len(), entry);
}

#[inline(never)]
fn spawn_a_task_that_never_ends() {
    let held = [7u8; 1000];
    let stuck = async move {
        std::future::pending::<()>().await;
        black_box(&held);
    };
    smol::spawn(stuck).detach(); // FAULT: task
}

#[inline(never)]
fn forget_a_descriptor() {
    std::mem::forget(std::fs::File::open("/dev/null").expect("a descriptor is free")); // FAULT: descriptor
}

#[inline(never)]
fn write_past_the_end() {
    let mut bytes = black_box(vec![7u8; 16]);
    let past = black_box(bytes.as_mut_ptr().wrapping_add(16));
    // SAFETY: none, this is the fault.
    unsafe { past.write_volatile(1) }; // FAULT: overrun
    black_box(&bytes);
}

#[inline(never)]
fn read_what_was_freed() {
    let bytes = black_box(vec![7u8; 16]);
    let freed = black_box(bytes.as_ptr());
    drop(bytes);
    // SAFETY: none, this is the fault.
    black_box(unsafe { freed.read_volatile() }); // FAULT: use-after-free
}

/// A round: connections that are answered what they say.
fn traffic() {
    use std::io::{Read, Write};
    let address = std::env::var("LEAKCHECK_ADDRESS").expect("LEAKCHECK_ADDRESS says where the server listens");
    let times: u64 = std::env::var("LEAKCHECK_TIMES").map_or(1, |times| times.parse().expect("a number"));
    for _ in 0..times * CONNECTIONS {
        let mut stream = TcpStream::connect(&address).expect("the server accepts");
        stream.write_all(b"are you there?").expect("it takes what is said");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        assert_eq!(answer, b"are you there?", "it answers what was said");
    }
    println!("connections {}", times * CONNECTIONS);
}
