//! Running the command, and servers for it that do as they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use wsinspect::handshake::{Head, derive_accept_key};

pub(crate) const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xe8];

pub(crate) fn wsinspect(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("wsinspect"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A server of one connection; its address.
pub(crate) fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

pub(crate) fn request(stream: &mut TcpStream) -> Head {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    Head::request(&bytes).unwrap().unwrap().0
}

pub(crate) fn response(request: &Head) -> Vec<u8> {
    let accept = derive_accept_key(request.get("Sec-WebSocket-Key").unwrap().as_bytes());
    format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
        .into_bytes()
}

/// A server that answers the handshake, says something in the same packet, and reads until the client ends.
pub(crate) fn saying(bytes: &[u8]) -> String {
    let bytes = bytes.to_vec();
    server(move |mut stream| {
        let request = request(&mut stream);
        stream.write_all(&[response(&request), bytes].concat()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    })
}

pub(crate) fn connect(address: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("ws://{address}/chat?x=1");
    let arguments = [&["connect", &url, "--time", "none"], more].concat();
    told(&wsinspect(&arguments).output().unwrap())
}

/// The next frame of a client, without its mask, of at most 125 bytes.
pub(crate) fn frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 6];
    stream.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[1] & 0x7f)];
    stream.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(header[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (header[0], payload)
}

/// A proxy in front of a server, and where it listens.
pub(crate) fn proxy(server: &str, more: &[&str]) -> (Child, String) {
    let mut child = wsinspect(&[&["proxy", "127.0.0.1:0", server], more].concat()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_whitespace().nth(3).expect("it says where it listens").to_owned();
    (child, address)
}

pub(crate) fn interrupt(child: Child) -> (Option<i32>, String, String) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    told(&child.wait_with_output().unwrap())
}

pub(crate) fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A server that answers the first message with bytes, and reads until the client closes.
pub(crate) fn answering(bytes: &[u8]) -> String {
    let bytes = bytes.to_vec();
    server(move |mut stream| {
        let request = request(&mut stream);
        stream.write_all(&response(&request)).unwrap();
        frame(&mut stream);
        stream.write_all(&bytes).unwrap();
        while frame(&mut stream).0 != 0x88 {}
    })
}

/// A listener of ours, and where it listens.
pub(crate) fn listen(more: &[&str]) -> (Child, String) {
    let mut child = wsinspect(&[&["listen", "127.0.0.1:0", "--time", "none"], more].concat()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split_whitespace().nth(3).expect("it says where it listens").to_owned();
    (child, url)
}
