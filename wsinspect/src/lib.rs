//! Seeing WebSocket frames as they truly are: nothing corrected, nothing refused, no socket.
//!
//! [`frame`] cuts bytes into frames; [`message`] links the frames of a message; [`deflate`] takes their compression away;
//! [`lint`] says which rules they break; [`close`] explains close codes; [`mod@line`] writes what people read; [`target`]
//! reads URLs, [`handshake`] heads and what was agreed on; [`tap`] looks at both directions of a connection, [`connections`]
//! at many; [`json`]
//! writes and reads its events, [`har`] and [`pcapng`] write them for browsers and Wireshark, [`packets`] reads what
//! Wireshark has captured, and [`redact`] takes secrets out; [`say`] makes what is sent, [`script`] reads what is to be sent and [`expect`]ed, [`replay`] plays a recording, [`stats`] counts, [`doctor`] varies a handshake; [`decoder`] reads what messages
//! say, among them with [`drawing`] the packets of the drawing protocol, [`jq`] chooses among them, and [`view`] shows it all.

pub mod close;
pub mod connections;
pub mod decoder;
pub mod deflate;
pub mod doctor;
pub mod drawing;
pub mod expect;
pub mod frame;
pub mod handshake;
pub mod har;
pub mod hex;
pub mod jq;
pub mod json;
pub mod line;
pub mod lint;
pub mod message;
pub mod packets;
pub mod pcapng;
pub mod redact;
pub mod replay;
pub mod say;
pub mod script;
pub mod stats;
pub mod tap;
pub mod target;
pub mod view;
