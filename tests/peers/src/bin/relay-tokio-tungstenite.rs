//! A relay on tokio-tungstenite with its usual settings: each message goes to everybody in its room, one frame at a time.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use inkwire_peers::Rooms;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, Message};

async fn relay(stream: TcpStream, rooms: Arc<Rooms>) {
    let mut path = String::new();
    let reads_path = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, reads_path).await else { return };
    let room = rooms.at(&path);
    let (mut write, mut read) = socket.split();
    let mut messages = room.join();
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if write.send(Message::Binary(Bytes::from_owner(message))).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = read.next().await {
        if message.is_text() || message.is_binary() {
            room.tell((&*message.into_data()).into());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("tokio-tungstenite: listening at ws://{}/", listener.local_addr()?);
    let rooms = Arc::<Rooms>::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(relay(stream, rooms.clone()));
    }
}
