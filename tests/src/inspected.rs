//! What the inspector costs: its proxy beside a plain relay and no relay at all, and how many frames it prints, in one run.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::raw::{Raw, client_frame};
use crate::tools::root;

/// Payload of a frame whose way there and back is timed.
const SMALL: usize = 64;
/// Payload of the frames of which as many pass as can.
const LARGE: usize = 1024 * 1024;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// Median time of a small frame there and back: directly, through a plain relay, through the proxy.
    pub round_trip: [Duration; 3],
    /// Bytes a second of large frames, likewise.
    pub throughput: [f64; 3],
    /// Small frames a second that are printed: by `wsinspect` as JSON lines, and by websocat as lines of text.
    pub printed: [f64; 2],
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [direct, relay, proxy] = self.round_trip.map(|time| time.as_secs_f64() * 1e6);
        let [free, plain, shown] = self.throughput.map(|bytes| bytes / 1e6);
        writeln!(
            f,
            "there and back, p50: {direct:.0} µs directly, {relay:.0} through a plain relay, {proxy:.0} through the proxy, which adds {:.0}",
            proxy - direct
        )?;
        writeln!(
            f,
            "  frames of 1 MiB: {free:.0} MB/s directly, {plain:.0} through a plain relay, {shown:.0} through the proxy: {:.2} of the relay",
            shown / plain
        )?;
        let [ours, websocats] = self.printed;
        write!(
            f,
            "  frames of 16 bytes a second: {ours:.0} printed as JSON lines, {websocats:.0} by websocat as bare text: {:.1} of it",
            ours / websocats
        )
    }
}

/// Measures all of it.
///
/// # Panics
/// If `wsinspect` is not built for release.
pub fn costs(lasts: Duration) -> Costs {
    let (echo, source) = (serve(echo), serve(pour));
    let mut costs = Costs { round_trip: [Duration::ZERO; 3], throughput: [0.0; 3], printed: [0.0; 2] };
    costs.printed = [
        printed(|url| wsinspect(&["connect", url, "--format", "jsonl"])),
        printed(|url| {
            let mut websocat = Command::new(root().join("target/peers/bin/websocat"));
            websocat.args(["-U", url]).stdin(Stdio::null()).stdout(Stdio::null());
            websocat
        }),
    ];
    for (at, by) in [direct, relay, proxy].into_iter().enumerate() {
        let (address, _child) = by(&echo);
        costs.round_trip[at] = round_trip(&address, lasts / 6);
        let (address, _child) = by(&source);
        costs.throughput[at] = throughput(&address, lasts / 6);
    }
    costs
}

/// A process that ends with its owner.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

fn serve(each: fn(TcpStream) -> io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream));
        }
    });
    address
}

/// Answers the handshake.
fn shake_hands(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = Raw { stream: stream.try_clone()? }.head();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or("");
    let accept = derive_accept_key(key.as_bytes());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Sends everything back, as it came.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    shake_hands(&mut stream)?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        stream.write_all(&buffer[..read])?;
        if read == 0 {
            return Ok(());
        }
    }
}

/// Sends large frames until nobody takes them.
fn pour(mut stream: TcpStream) -> io::Result<()> {
    shake_hands(&mut stream)?;
    let header = [&[0x82, 127][..], &(LARGE as u64).to_be_bytes()].concat();
    let frame = [header, vec![7; LARGE]].concat();
    loop {
        stream.write_all(&frame)?;
    }
}

fn direct(server: &str) -> (String, Option<Ends>) {
    (server.to_owned(), None)
}

/// What any relay does at least: two threads that copy.
fn relay(server: &str) -> (String, Option<Ends>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    let server = server.to_owned();
    thread::spawn(move || {
        let client = listener.accept()?.0;
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (back, to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || copy(client, to));
        copy(server, back)
    });
    (address, None)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            return to.shutdown(Shutdown::Both).and(from.shutdown(Shutdown::Both));
        }
    }
}

fn wsinspect(arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("target/release/wsinspect"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn proxy(server: &str) -> (String, Option<Ends>) {
    let mut child = wsinspect(&["proxy", "127.0.0.1:0", server]).spawn().expect("wsinspect is built for release");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("it is piped")).read_line(&mut line).expect("text");
    let address = line.split_whitespace().nth(3).expect("it says where it listens").to_owned();
    (address, Some(Ends(child)))
}

fn round_trip(address: &str, lasts: Duration) -> Duration {
    let mut raw = Raw::upgrade(address, "/", "");
    let message = client_frame(0x82, &[7; SMALL]);
    let (begun, mut times, mut echo) = (Instant::now(), Vec::new(), vec![0; message.len()]);
    while begun.elapsed() < lasts {
        let start = Instant::now();
        raw.send(&message);
        raw.stream.read_exact(&mut echo).expect("its echo");
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

fn throughput(address: &str, lasts: Duration) -> f64 {
    let mut raw = Raw::upgrade(address, "/", "");
    let (begun, mut came, mut buffer) = (Instant::now(), 0, vec![0; 256 * 1024]);
    while begun.elapsed() < lasts {
        came += raw.stream.read(&mut buffer).expect("bytes");
    }
    came as f64 / begun.elapsed().as_secs_f64()
}

/// Frames that a client prints a second, of those that a server sends as fast as they are taken.
fn printed(client: impl FnOnce(&str) -> Command) -> f64 {
    const FRAMES: usize = 500_000;
    let server = serve(|mut stream| {
        shake_hands(&mut stream)?;
        stream.write_all(&[&[0x81, 16][..], b"sixteen letters!"].concat().repeat(FRAMES))?;
        stream.write_all(&[0x88, 0])?;
        stream.read_to_end(&mut Vec::new()).map(|_| ())
    });
    let begun = Instant::now();
    let output = client(&format!("ws://{server}/")).output().expect("it is built, and runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    FRAMES as f64 / begun.elapsed().as_secs_f64()
}
