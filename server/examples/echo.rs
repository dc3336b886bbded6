//! An echo server: `cargo run --example echo 127.0.0.1:9001`.

use inkwire::ws::{Handle, Message, Server, Service};

struct Echo;

impl Service for Echo {
    type Data = ();

    fn on_message(&self, handle: &Handle<Self>, message: Message<'_>) {
        // A peer that is gone needs no answer, and one that does not read is not read from either.
        let _ = handle.write(message);
    }
}

fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9001".into());
    let server = Server::bind(&address)?;
    println!("echo: listening at {}", server.url());
    server.run(Echo)
}
