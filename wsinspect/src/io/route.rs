//! The route to a server: over TCP or a unix socket, through a proxy, with TLS on top.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smol::Timer;
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use wsinspect::handshake::Head;
use wsinspect::handshake::target::Target;

use crate::failure::Failure;
use crate::flags::reach::{Reach, Resolve};
use crate::io::halves::{Halves, apart};
use crate::io::tls;

/// Longest head of a proxy's answer, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Connects, within the time that is given for it.
pub(crate) async fn open(reach: &Reach, target: &Target) -> Result<Halves, Failure> {
    let timed = async {
        Timer::after(reach.connect_timeout).await;
        Err(late(reach, target))
    };
    connect(reach, target).or(timed).await
}

/// The server, or what stands before it, does not answer.
pub(crate) fn late(reach: &Reach, target: &Target) -> Failure {
    Failure::TimeOut(format!("{} does not answer within {:?}", place(target), reach.connect_timeout))
}

async fn connect(reach: &Reach, target: &Target) -> Result<Halves, Failure> {
    if let Some(path) = &reach.unix_socket {
        let failed = |error| Failure::Unreachable(format!("{}: {error}", path.display()));
        let socket = UnixStream::connect(path).await.map_err(failed)?;
        return match target.is_secure {
            true => Ok(apart(tls::client(reach, target, Box::new(socket)).await?)),
            false => Ok((Box::new(socket.clone()), Box::new(socket))),
        };
    }
    let socket = match &reach.proxy {
        Some(proxy) => through(proxy, reach, target).await?,
        None => tcp(&target.host, target.port, &reach.resolve).await?,
    };
    match target.is_secure {
        true => Ok(apart(tls::client(reach, target, Box::new(socket)).await?)),
        false => Ok((Box::new(socket.clone()), Box::new(socket))),
    }
}

fn place(target: &Target) -> String {
    if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    }
}

async fn tcp(host: &str, port: u16, resolve: &[Resolve]) -> Result<TcpStream, Failure> {
    let failed = |error| Failure::Unreachable(format!("{host}:{port}: {error}"));
    let known = resolve.iter().find(|known| known.host.eq_ignore_ascii_case(host) && known.port == port);
    let socket = match known {
        Some(known) => TcpStream::connect(SocketAddr::new(known.address, port)).await,
        None => TcpStream::connect((host, port)).await,
    };
    let socket = socket.map_err(failed)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn through(proxy: &str, reach: &Reach, target: &Target) -> Result<TcpStream, Failure> {
    let unknown = || Failure::Usage(format!("{proxy}: a proxy is http://, socks5:// or socks5h://"));
    let (scheme, rest) = proxy.split_once("://").ok_or_else(unknown)?;
    let usual = match scheme {
        "http" => "80",
        "socks5" | "socks5h" => "1080",
        _ => return Err(unknown()),
    };
    let (user, authority) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let authority = authority.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, usual));
    let port = port.parse().map_err(|_| unknown())?;
    let mut socket = tcp(host.trim_matches(['[', ']']), port, &reach.resolve).await?;
    let failed = |words: String| Failure::Unreachable(format!("{scheme}://{authority}: {words}"));
    let result = match scheme {
        "http" => connect_method(&mut socket, user, target).await,
        _ => socks(&mut socket, user, target, scheme == "socks5").await,
    };
    result.map_err(failed)?;
    Ok(socket)
}

/// RFC 9110 section 9.3.6.
async fn connect_method(socket: &mut TcpStream, user: Option<&str>, target: &Target) -> Result<(), String> {
    let place = place(target);
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut headers = vec![pair("Host", place.clone())];
    headers.extend(user.map(|user| pair("Proxy-Authorization", format!("Basic {}", STANDARD.encode(user)))));
    let request = Head { line: format!("CONNECT {place} HTTP/1.1"), headers };
    let io = |error: std::io::Error| error.to_string();
    socket.write_all(&request.to_bytes()).await.map_err(io)?;
    // Byte by byte: what stands behind the head is the server's.
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > LONGEST_ANSWER {
            return Err("the answer to CONNECT has no end".into());
        }
        socket.read_exact(&mut byte).await.map_err(io)?;
        answer.extend(byte);
    }
    match Head::response(&answer) {
        Ok(Some((head, _))) if (200..300).contains(&head.status()) => Ok(()),
        Ok(Some((head, _))) => Err(format!("the proxy answers {:?}", head.line)),
        _ => Err("the answer to CONNECT is no HTTP".into()),
    }
}

/// RFC 1928, and RFC 1929 for user and password. With `resolves` the host's name is looked up here.
async fn socks(socket: &mut TcpStream, user: Option<&str>, target: &Target, resolves: bool) -> Result<(), String> {
    const VERSION: u8 = 5;
    let io = |error: std::io::Error| error.to_string();
    let methods: &[u8] = if user.is_some() { &[VERSION, 2, 0, 2] } else { &[VERSION, 1, 0] };
    socket.write_all(methods).await.map_err(io)?;
    let mut answer = [0; 2];
    socket.read_exact(&mut answer).await.map_err(io)?;
    match (answer, user) {
        ([VERSION, 0], _) => {}
        ([VERSION, 2], Some(user)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let mut request = vec![1];
            for part in [name, password] {
                request.push(u8::try_from(part.len()).map_err(|_| "user or password is longer than 255 bytes")?);
                request.extend_from_slice(part.as_bytes());
            }
            socket.write_all(&request).await.map_err(io)?;
            socket.read_exact(&mut answer).await.map_err(io)?;
            if answer[1] != 0 {
                return Err("the proxy refuses user and password".into());
            }
        }
        ([VERSION, _], _) => return Err("the proxy accepts no way to log in that we have".into()),
        _ => return Err("this is no SOCKS5 proxy".into()),
    }
    let mut request = vec![VERSION, 1, 0];
    request.extend(socks_address(target, resolves).await?);
    request.extend(target.port.to_be_bytes());
    socket.write_all(&request).await.map_err(io)?;
    let mut reply = [0; 5];
    socket.read_exact(&mut reply).await.map_err(io)?;
    if reply[1] != 0 {
        return Err(format!("the proxy answers: {}", socks_error(reply[1])));
    }
    let address = match reply[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(reply[4]) + 1,
    };
    // One byte of the address has been read, and a port stands behind it.
    socket.read_exact(&mut vec![0; address - 1 + 2]).await.map_err(io)
}

async fn socks_address(target: &Target, resolves: bool) -> Result<Vec<u8>, String> {
    let numeric = target.host.parse::<IpAddr>().ok();
    let address = match numeric {
        None if resolves => {
            let all = smol::net::resolve((target.host.as_str(), target.port)).await;
            let all = all.map_err(|error| format!("{}: {error}", target.host))?;
            all.first().map(SocketAddr::ip)
        }
        known => known,
    };
    Ok(match address {
        Some(IpAddr::V4(address)) => [&[1][..], &address.octets()].concat(),
        Some(IpAddr::V6(address)) => [&[4][..], &address.octets()].concat(),
        None => {
            let length = u8::try_from(target.host.len()).map_err(|_| "the host's name is longer than 255 bytes")?;
            [&[3, length][..], target.host.as_bytes()].concat()
        }
    })
}

/// RFC 1928 section 6.
fn socks_error(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "connection refused",
        6 => "the time to live has run out",
        7 => "it does not know the command",
        8 => "it does not know this kind of address",
        _ => "an error of its own",
    }
}
