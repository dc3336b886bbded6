//! A relay on fastwebsockets: each message goes to everybody in its room, one frame at a time.

use std::sync::Arc;

use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use inkwire_peers::{Room, Rooms};

async fn relay(upgrade: upgrade::UpgradeFut, room: Arc<Room>) -> Result<(), WebSocketError> {
    let (read, mut write) = upgrade.await?.split(tokio::io::split);
    let mut read = FragmentCollectorRead::new(read);
    let mut messages = room.join();
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if write.write_frame(Frame::binary(Payload::Borrowed(&message))).await.is_err() {
                return;
            }
        }
    });
    loop {
        let frame = read.read_frame(&mut |_| async { Ok::<(), WebSocketError>(()) }).await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => room.tell((&*frame.payload).into()),
            _ => {}
        }
    }
}

async fn accept(rooms: Arc<Rooms>, mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgrade) = upgrade::upgrade(&mut request)?;
    tokio::spawn(relay(upgrade, rooms.at(request.uri().path())));
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("fastwebsockets: listening at ws://{}/", listener.local_addr()?);
    let rooms = Arc::<Rooms>::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let rooms = rooms.clone();
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let serve = service_fn(|request| accept(rooms.clone(), request));
            let _ = http1::Builder::new().serve_connection(io, serve).with_upgrades().await;
        });
    }
}
