//! A chat with channels: `cargo run --example chat 127.0.0.1:9002`. Say `/join CHANNEL` (or a pattern such as `/join *`),
//! `/leave CHANNEL`, or `CHANNEL: something`.

use inkwire::ws::{Handle, Message, Server, Service};

struct Chat;

impl Service for Chat {
    /// How many lines somebody has said.
    type Data = u32;

    fn on_open(&self, handle: &Handle<Self>) {
        let _ = handle.write(Message::Text(&format!("you are number {} of {}", handle.id(), handle.hub().count())));
    }

    fn on_message(&self, handle: &Handle<Self>, message: Message<'_>) {
        let Message::Text(line) = message else { return handle.close(1003, "a chat is text") };
        let hub = handle.hub();
        if let Some(channel) = line.strip_prefix("/join ") {
            if channel.contains(['*', '?']) {
                hub.subscribe_matching(handle, channel);
            } else {
                hub.subscribe(handle, channel);
            }
        } else if let Some(channel) = line.strip_prefix("/leave ") {
            hub.unsubscribe(handle, channel);
        } else if let Some((channel, words)) = line.split_once(": ") {
            let said = handle.with_data(|said| {
                *said += 1;
                *said
            });
            hub.publish(channel, Message::Text(&format!("{channel} {}#{said}: {words}", handle.id())));
        }
    }

    fn on_shutdown(&self, handle: &Handle<Self>) {
        let _ = handle.write(Message::Text("the chat closes"));
    }
}

fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(&address)?;
    println!("chat: listening at {}", server.url());
    server.run(Chat)
}
