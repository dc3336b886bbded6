//! A socket that accepts clients, over TLS if there is a certificate.

use std::io;
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use smol::net::{TcpListener, TcpStream};

use crate::failure::{Failure, say};
use crate::io::halves::{Halves, apart};
use crate::io::tls;

/// Listens on an address.
pub(crate) async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::Usage(format!("{address:?} is no address; it is HOST:PORT")),
        _ => Failure::Unreachable(format!("{address} cannot be listened on: {error}")),
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// Serves every client, with the number of its connection. An error is said, and is the end of that connection only.
pub(crate) async fn accept<F>(listener: &TcpListener, serve: impl Fn(TcpStream, u64) -> F)
where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut number = 0;
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // No descriptors, most likely; some come back.
            smol::Timer::after(Duration::from_millis(50)).await;
            continue;
        };
        number += 1;
        let (serving, this) = (serve(client, number), number);
        smol::spawn(async move {
            if let Err(error) = serving.await {
                say(&format!("connection {this}: {error}"));
            }
        })
        .detach();
    }
}

/// The ways of a client, over TLS where we have a certificate.
pub(crate) async fn welcome(client: TcpStream, acceptor: Option<&TlsAcceptor>) -> Result<Halves, String> {
    client.set_nodelay(true).map_err(|error| error.to_string())?;
    match acceptor {
        Some(acceptor) => match tls::server(acceptor, Box::new(client)).await {
            Ok(stream) => Ok(apart(stream)),
            Err(error) => Err(format!("TLS with the client failed: {error}")),
        },
        None => Ok((Box::new(client.clone()), Box::new(client))),
    }
}
