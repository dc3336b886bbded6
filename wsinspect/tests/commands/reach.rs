//! How `wsinspect` reaches a server: TLS on either side, proxies, unix sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use futures_rustls::rustls::server::WebPkiClientVerifier;
use futures_rustls::rustls::{RootCertStore, ServerConfig};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use wsinspect::handshake::derive_accept_key;

use crate::run::{interrupt, listen, proxy, recording, told, wsinspect};

/// An authority, and what it has signed: certificates and keys as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(), name: name.into() }
    }

    fn file(&self, end: &str, text: &str) -> String {
        let path = recording(&format!("{}-{end}.pem", self.name));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn certificate(&self) -> String {
        self.file("authority", &self.issuer.pem())
    }

    /// A certificate for a name, and its key.
    fn signed(&self, subject: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key_file = self.file(&format!("{subject}-key"), &key.serialize_pem());
        (self.file(subject, &certificate.pem()), key_file)
    }
}

fn connect(url: &str, more: &[&str]) -> (Option<i32>, String, String) {
    told(&wsinspect(&[&[url, "--time", "none"], more].concat()).output().unwrap())
}

#[test]
fn over_tls_a_server_is_whom_we_trust_or_is_not_talked_to() {
    let authority = Authority::new("trust");
    let (cert, key) = authority.signed("localhost");
    let (child, url) = listen(&["--echo", "--tls-cert", &cert, "--tls-key", &key]);
    let url = url.replace("127.0.0.1", "localhost");
    assert!(url.starts_with("wss://"), "{url}");
    let say = ["-x", "hello", "-c", "1"];
    let trusting = ["--cacert", &authority.certificate()];
    let (code, out, error) = connect(&url, &[&say[..], &trusting].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.contains("<-- text   FIN                   5  \"hello\""), "{out}");
    assert_eq!(connect(&url, &[&say[..], &["--insecure"]].concat()).0, Some(0));

    let stranger = Authority::new("stranger").certificate();
    let (code, _, error) = connect(&url, &[&say[..], &["--cacert", &stranger]].concat());
    assert_eq!(code, Some(4));
    assert!(error.starts_with("wsinspect: localhost: its certificate is not trusted ("), "{error}");
    let other = url.replace("localhost", "127.0.0.1");
    let (code, _, error) = connect(&other, &[&say[..], &trusting].concat());
    assert!(code == Some(4) && error.contains("not trusted"), "it is not the one of this name: {error}");
    let by_name = ["--sni", "localhost"];
    assert_eq!(connect(&other, &[&say[..], &trusting, &by_name].concat()).0, Some(0));
    let (code, _, error) = connect(&url.replace("wss", "ws"), &say);
    assert_eq!(code, Some(5), "TLS answers what is no HTTP: {error}");
    interrupt(child);
}

#[test]
fn a_server_that_does_not_speak_tls_is_told_by_name() {
    let (child, url) = listen(&["--echo"]);
    let (code, _, error) = connect(&url.replace("ws://", "wss://"), &["-k"]);
    assert_eq!(code, Some(4), "{error}");
    assert!(error.contains("does not speak TLS") && error.lines().count() == 1, "{error}");
    interrupt(child);
    for (file, words) in [("/nowhere", "No such file"), ("/dev/null", "no certificate")] {
        let (code, _, error) = connect(&url.replace("ws://", "wss://"), &["--cacert", file]);
        assert!(matches!(code, Some(3 | 9)) && error.lines().count() == 1, "{words}: {error}");
    }
}

#[test]
fn a_proxy_speaks_tls_on_either_side() {
    let authority = Authority::new("proxy");
    let (cert, key) = authority.signed("localhost");
    let (server, url) = listen(&["--echo", "--tls-cert", &cert, "--tls-key", &key]);
    let flags = ["--tls-cert", &cert, "--tls-key", &key, "--cacert", &authority.certificate(), "--time", "none"];
    let (child, listening) = proxy(&url.replace("127.0.0.1", "localhost"), &flags);
    let port = listening.rsplit(':').next().unwrap();
    let trusting = ["--cacert", &authority.certificate(), "-x", "secret", "-c", "1"];
    let (code, _, error) = connect(&format!("wss://localhost:{port}/a"), &trusting);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let (_, out, _) = interrupt(child);
    assert_eq!(out.matches("\"secret\"").count(), 2, "both ways are shown: {out}");
    assert!(out.contains("=== wss://localhost:"), "{out}");
    interrupt(server);
}

/// A server that asks for a certificate of this authority, answers the handshake, and closes.
fn asking(authority: &Authority, (cert, key): &(String, String)) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.certificate()).unwrap()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = smol::net::TcpStream::try_from(stream.unwrap()).unwrap();
            let acceptor = acceptor.clone();
            smol::spawn(async move {
                use smol::io::{AsyncReadExt, AsyncWriteExt};
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8(head[..read].to_vec()).unwrap();
                let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
                let accept = derive_accept_key(key.as_bytes());
                let response = format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
                stream.write_all(&[response.as_bytes(), &[0x88, 2, 3, 0xe8]].concat()).await.unwrap();
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.close().await;
            })
            .detach();
        }
    });
    format!("wss://localhost:{port}")
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_ours() {
    let authority = Authority::new("mutual");
    let (own, key) = authority.signed("client");
    let url = asking(&authority, &authority.signed("localhost"));
    let trusting = ["--cacert", &authority.certificate()];
    let (code, _, error) = connect(&url, &[&trusting[..], &["--cert", &own, "--key", &key]].concat());
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let (code, _, error) = connect(&url, &trusting);
    assert!(matches!(code, Some(4 | 5)) && error.lines().count() == 1, "{code:?} {error}");
}

/// A server that does something first, then is a pipe to another one, and says what it was asked.
fn relay(
    to: String,
    greet: impl Fn(&mut TcpStream) -> String + Send + 'static,
) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, questions) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        asked.send(greet(&mut client)).unwrap();
        let mut server = TcpStream::connect(to).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    });
    (address, questions)
}

fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_server_is_reached_through_an_http_proxy() {
    let (child, url) = listen(&["--echo"]);
    let (through, asked) = relay(url.trim_start_matches("ws://").to_owned(), |client| {
        let asked = head(client);
        client.write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n").unwrap();
        asked
    });
    let proxy = format!("http://ada:love@{through}");
    let (code, out, error) = connect("ws://far.example:81/a", &["--proxy", &proxy, "-x", "hello", "-c", "1"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.contains("<-- text"), "{out}");
    let expected =
        "CONNECT far.example:81 HTTP/1.1\r\nHost: far.example:81\r\nProxy-Authorization: Basic YWRhOmxvdmU=\r\n\r\n";
    assert_eq!(asked.recv().unwrap(), expected);
    interrupt(child);
}

#[test]
fn a_proxy_that_refuses_is_told_by_what_it_said() {
    let (through, _asked) = relay("127.0.0.1:1".into(), |client| {
        head(client);
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").unwrap();
        String::new()
    });
    let (code, _, error) = connect("ws://far.example", &["--proxy", &format!("http://{through}")]);
    assert_eq!(code, Some(3));
    assert!(error.contains("the proxy answers \"HTTP/1.1 407 Proxy Authentication Required\""), "{error}");
    let (code, _, error) = connect("ws://far.example", &["--proxy", "ftp://x:1"]);
    assert_eq!(
        (code, error.as_str()),
        (Some(2), "wsinspect: ftp://x:1: a proxy is http://, socks5:// or socks5h://\n")
    );
}

#[test]
fn a_server_is_reached_through_a_socks_proxy_with_user_and_password() {
    let (child, url) = listen(&["--echo"]);
    let (through, asked) = relay(url.trim_start_matches("ws://").to_owned(), |client| {
        let mut methods = [0; 4];
        client.read_exact(&mut methods).unwrap();
        assert_eq!(methods, [5, 2, 0, 2]);
        client.write_all(&[5, 2]).unwrap();
        let mut login = [0; 10];
        client.read_exact(&mut login).unwrap();
        assert_eq!(&login, b"\x01\x03ada\x04love");
        client.write_all(&[1, 0]).unwrap();
        let mut request = [0; 5 + 11 + 2];
        client.read_exact(&mut request).unwrap();
        client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
        assert_eq!((request[..5].to_vec(), request[16..].to_vec()), (vec![5, 1, 0, 3, 11], vec![0, 81]));
        String::from_utf8(request[5..16].to_vec()).unwrap()
    });
    let proxy = format!("socks5h://ada:love@{through}");
    let (code, out, error) = connect("ws://far.example:81/a", &["--proxy", &proxy, "-x", "hello", "-c", "1"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.contains("<-- text"), "{out}");
    assert_eq!(asked.recv().unwrap(), "far.example");
    interrupt(child);
}

#[test]
fn a_name_stands_for_the_address_that_it_is_given() {
    let (child, url) = listen(&["--echo"]);
    let port = url.rsplit(':').next().unwrap();
    let resolve = format!("far.example:{port}:127.0.0.1");
    let (code, out, _) = connect(&format!("ws://far.example:{port}/"), &["--resolve", &resolve, "-x", "a", "-c", "1"]);
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(connect(&url, &["--resolve", "nonsense"]).0, Some(2));
    interrupt(child);
}

#[test]
fn a_server_is_reached_over_a_unix_socket() {
    let path: PathBuf = recording("unix.socket");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /a HTTP/1.1\r\nHost: any.example\r\n"), "{head}");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(&[response.as_bytes(), &[0x88, 2, 3, 0xe8]].concat()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (code, _, error) = connect("ws://any.example/a", &["--unix-socket", path.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let (code, _, error) = connect("ws://any.example/a", &["--unix-socket", "/nowhere"]);
    assert_eq!(code, Some(3));
    assert!(error.starts_with("wsinspect: /nowhere: "), "{error}");
}

#[test]
fn a_connection_that_is_lost_is_made_again_and_given_up_after_so_many_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let request = crate::run::request(&mut stream);
            stream.write_all(&[&crate::run::response(&request)[..], &[0x81, 1, b'a']].concat()).unwrap();
        }
    });
    let mut command = wsinspect(&[&format!("ws://{address}"), "--time", "none", "--reconnect=2"]);
    let (code, out, error) = told(&command.stdin(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap());
    serving.join().unwrap();
    assert_eq!(code, Some(3), "{error}");
    assert_eq!(out.matches("\"a\"").count(), 2, "messages of both connections: {out}");
    assert_eq!(error.matches("connecting again").count(), 3, "{error}");
}
