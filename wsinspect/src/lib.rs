//! Seeing WebSocket frames as they truly are: nothing corrected, nothing refused, no socket.
//!
//! [`hex`] reads and writes bytes; [`frame`] cuts them into frames; [`deflate`] takes compression away, and puts it on;
//! [`message`] links the frames of a message; [`close`] explains close codes; [`lint`] says which rules are broken;
//! [`mod@line`] writes what people read; [`target`] reads URLs, [`handshake`] heads and what was agreed on; [`tap`] looks at
//! both directions of a connection; [`json`] writes and reads what it tells, [`connections`] keeps many apart; [`har`] and
//! [`pcapng`] write for browsers and Wireshark, [`packets`] reads what Wireshark has captured, [`redact`] takes secrets out;
//! [`say`] makes what is sent, [`expect`] judges what comes, [`script`] reads both, [`replay`] plays a recording; [`stats`]
//! counts, [`doctor`] varies a handshake; [`drawing`] reads the packets of the drawing protocol, [`decoder`] what messages
//! say, [`jq`] chooses among them, and [`view`] shows it all. Each imports only those before it.

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
