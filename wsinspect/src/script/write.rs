//! The steps of a script that does what was recorded.

use super::expect::text;
use crate::frame::message::Message;
use crate::frame::{Opcode, Sender, close};
use crate::tap::Handshake;

/// The step that makes a connection like one that was recorded.
pub fn connect_step(number: u64, url: &str, handshake: &Handshake) -> String {
    let has_control = |text: &str| text.contains(char::is_control);
    let url = if has_control(url) { "ws://-" } else { url };
    let mut step = format!("connect {} = {url}\n", name(number));
    let request = &handshake.request;
    // Of what somebody else has recorded no line becomes two.
    let offered = request.tokens("Sec-WebSocket-Protocol").filter(|name| !has_control(name));
    step.extend(offered.map(|name| format!("  subprotocol {name}\n")));
    let origin = request.get("Origin").filter(|origin| !has_control(origin));
    step.extend(origin.map(|origin| format!("  origin {origin}\n")));
    if handshake.response.status() != 101 {
        step.push_str(&format!("  status {}\n", handshake.response.status()));
    }
    step
}

/// The step that sends a message of the client, or expects one of the server; none for pongs, and for what cannot be said in
/// a line. Pings of the server are passed over by whoever runs it.
pub fn message_step(number: u64, sender: Sender, message: &Message) -> Option<String> {
    let (text, name) = (text(message), name(number));
    let code = close::parse(&message.data).map_or(String::new(), |(code, _)| format!(" {code}"));
    if !message.is_whole() {
        return Some(format!(
            "# {name}: a {} of {} bytes was not recorded whole\n",
            message.opcode.name(),
            message.length
        ));
    }
    let is_line = !text.contains(['\n', '\r']) && text.trim() == text && !text.contains("{{");
    if !is_line && !matches!(message.opcode, Opcode::PONG) {
        let what = if sender == Sender::Client { "-->" } else { "<--" };
        return Some(format!("# {name} {what} {}, which no line can say: {text:?}\n", message.opcode.name()));
    }
    Some(match (sender, message.opcode) {
        (Sender::Client, Opcode::TEXT | Opcode::BINARY | Opcode::PING) => {
            format!("{name} --> {} {text}\n", message.opcode.name())
        }
        (Sender::Client, Opcode::CLOSE) => format!("{}\n", format!("{name} --> close{code} {text}").trim_end()),
        (Sender::Server, Opcode::TEXT | Opcode::BINARY) => {
            format!("{name} <-- {}\n  == {text}\n", message.opcode.name())
        }
        (Sender::Server, Opcode::CLOSE) => format!("{name} <-- close{code}\n"),
        _ => return None,
    })
}

fn name(number: u64) -> String {
    format!("c{number}")
}
