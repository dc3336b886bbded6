//! Seeing WebSocket frames as they truly are: nothing corrected, nothing refused, no socket.
//!
//! [`frame`] cuts bytes into frames; [`message`] links the frames of a message;
//! [`deflate`] takes their compression away; [`lint`] says which rules they break;
//! [`close`] explains close codes; [`mod@line`] writes what people read; [`handshake`] reads heads and what was agreed on; [`tap`] looks at both
//! directions of a connection; [`json`] writes and reads its events; [`drawing`] reads the packets of the drawing protocol, [`view`] shows it all, [`pcapng`] makes
//! packets of them. Each imports only
//! those before it.

pub mod close;
pub mod deflate;
pub mod drawing;
pub mod frame;
pub mod handshake;
pub mod hex;
pub mod json;
pub mod line;
pub mod lint;
pub mod message;
pub mod pcapng;
pub mod tap;
pub mod view;
