//! Messages of clients.

use smallvec::SmallVec;

use super::access;
use super::operation::{operation, put_operation, put_shape, put_text_element, shape, text_element};
use super::packet::{Result, at_least_one, put_tagged, tagged, until_empty};
use super::tag;
use super::value::{
    author_number, colour, cursor, image, optional, place, put_colour, put_cursor, put_optional, put_place, put_value,
    put_view, value, view,
};
use crate::bytes::{Reader, put_number, put_text};
use crate::limits;
use crate::{ClientId, ClientMessage, DecodeError, Epoch, Reaction};

pub(super) fn put_client(out: &mut Vec<u8>, message: &ClientMessage) {
    match message {
        ClientMessage::Hello { client_id, epoch, seq, hash, name, colour } => put_tagged(out, tag::HELLO, |out| {
            out.extend_from_slice(&client_id.0);
            out.extend_from_slice(&epoch.0);
            put_number(out, *seq);
            out.extend_from_slice(hash);
            put_text(out, name);
            put_colour(out, *colour);
        }),
        ClientMessage::Operations { first_cseq, operations } => put_tagged(out, tag::CLIENT_OPERATIONS, |out| {
            put_number(out, *first_cseq);
            operations.iter().for_each(|operation| put_operation(out, operation));
        }),
        ClientMessage::Presence { cursor } => put_tagged(out, tag::CLIENT_PRESENCE, |out| put_cursor(out, *cursor)),
        ClientMessage::Draft { shape } => {
            put_tagged(out, tag::CLIENT_DRAFT, |out| put_optional(out, shape.as_ref(), put_shape));
        }
        ClientMessage::Writing { text } => {
            put_tagged(out, tag::CLIENT_WRITING, |out| put_optional(out, text.as_ref(), put_text_element));
        }
        ClientMessage::View { view } => put_tagged(out, tag::CLIENT_VIEW, |out| put_view(out, view.as_ref())),
        ClientMessage::Laser { at: [x, y] } => put_tagged(out, tag::CLIENT_LASER, |out| put_place(out, *x, *y)),
        ClientMessage::ImagePart { image, length, offset, bytes } => put_tagged(out, tag::IMAGE_PART, |out| {
            out.extend_from_slice(&image.0);
            put_number(out, *length);
            put_number(out, *offset);
            out.extend_from_slice(bytes);
        }),
        ClientMessage::Credentials { token, visitor, password } => put_tagged(out, tag::CREDENTIALS, |out| {
            access::put_token(out, *token);
            access::put_token(out, *visitor);
            put_text(out, password);
        }),
        ClientMessage::Hand { raised } => put_tagged(out, tag::HAND, |out| out.push(u8::from(*raised))),
        ClientMessage::React { reaction } => {
            put_tagged(out, tag::REACT, |out| put_value(out, Reaction::ALL, reaction));
        }
        ClientMessage::Moderate { action } => put_tagged(out, tag::MODERATE, |out| access::put_action(out, action)),
        ClientMessage::Past { from } => put_tagged(out, tag::CLIENT_PAST, |out| put_number(out, *from)),
        ClientMessage::Chronicle => put_tagged(out, tag::CLIENT_CHRONICLE, |_| {}),
        ClientMessage::Authors { from } => {
            put_tagged(out, tag::CLIENT_AUTHORS, |out| put_number(out, u64::from(*from)));
        }
        ClientMessage::Branch { seq } => put_tagged(out, tag::BRANCH, |out| put_number(out, *seq)),
        ClientMessage::Profile { name, colour } => put_tagged(out, tag::PROFILE, |out| {
            put_text(out, name);
            put_colour(out, *colour);
        }),
        ClientMessage::Ping { nonce } => put_tagged(out, tag::PING, |out| put_number(out, *nonce)),
        ClientMessage::Check { seq, hash } => put_tagged(out, tag::CHECK, |out| {
            put_number(out, *seq);
            out.extend_from_slice(hash);
        }),
        ClientMessage::Unknown { tag, body } => put_tagged(out, *tag, |out| out.extend_from_slice(body)),
    }
}

pub(super) fn client_message(tag: u8, body: &mut Reader<'_>) -> Result<ClientMessage> {
    Ok(match tag {
        tag::HELLO => ClientMessage::Hello {
            client_id: ClientId(body.array()?),
            epoch: Epoch(body.array()?),
            seq: body.number()?,
            hash: body.array()?,
            name: body.text(limits::NAME)?,
            colour: colour(body)?,
        },
        tag::CLIENT_OPERATIONS => {
            let first_cseq = body.number()?;
            if first_cseq == 0 {
                return Err(DecodeError::NumberTooSmall);
            }
            let operations: SmallVec<_> =
                at_least_one(until_empty(body, limits::OPERATIONS, |body| tagged(body, operation))?)?;
            if first_cseq + operations.len() as u64 - 1 > limits::CSEQ {
                return Err(DecodeError::NumberTooLarge);
            }
            ClientMessage::Operations { first_cseq, operations }
        }
        tag::CLIENT_PRESENCE => ClientMessage::Presence { cursor: cursor(body)? },
        tag::CLIENT_DRAFT => ClientMessage::Draft { shape: optional(body, shape)? },
        tag::CLIENT_WRITING => ClientMessage::Writing { text: optional(body, text_element)? },
        tag::CLIENT_VIEW => ClientMessage::View { view: view(body)? },
        tag::CLIENT_LASER => ClientMessage::Laser { at: place(body)? },
        tag::IMAGE_PART => image_part(body)?,
        tag::CREDENTIALS => ClientMessage::Credentials {
            token: access::token(body)?,
            visitor: access::token(body)?,
            password: body.text(limits::PASSWORD)?,
        },
        tag::HAND => ClientMessage::Hand { raised: body.flag()? },
        tag::REACT => ClientMessage::React { reaction: value(body, Reaction::ALL)? },
        tag::MODERATE => ClientMessage::Moderate { action: access::action(body)? },
        tag::CLIENT_PAST => ClientMessage::Past { from: body.number()? },
        tag::CLIENT_CHRONICLE => ClientMessage::Chronicle,
        tag::CLIENT_AUTHORS => ClientMessage::Authors { from: author_number(body)? },
        tag::BRANCH => ClientMessage::Branch { seq: body.number()? },
        tag::PROFILE => ClientMessage::Profile { name: body.text(limits::NAME)?, colour: colour(body)? },
        tag::PING => ClientMessage::Ping { nonce: body.number()? },
        tag::CHECK => ClientMessage::Check { seq: body.number()?, hash: body.array()? },
        tag => ClientMessage::Unknown { tag, body: body.rest().to_vec() },
    })
}

/// Returns the bytes of each operation in a client's packet that [`decode_client`](super::decode_client) takes, in order.
#[inline]
pub fn operations_in(packet: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut packet, mut operations) = (Reader::new(packet), Reader::new(&[]));
    std::iter::from_fn(move || {
        while operations.is_empty() {
            let tag = packet.byte().ok()?;
            let mut body = packet.body().ok()?;
            if tag == tag::CLIENT_OPERATIONS {
                // The number of the first one.
                body.number().ok()?;
                operations = body;
            }
        }
        let start = operations.clone();
        operations.byte().ok()?;
        operations.body().ok()?;
        Some(start.until(&operations))
    })
}

fn image_part(body: &mut Reader<'_>) -> Result<ClientMessage> {
    let image = image(body)?;
    let length = body.number_up_to(limits::IMAGE_BYTES as u64, DecodeError::ImageTooLarge)?;
    let offset = body.number_up_to(length, DecodeError::ImageTooLarge)?;
    let bytes = body.rest().to_vec();
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() > limits::IMAGE_PART || offset + bytes.len() as u64 > length {
        return Err(DecodeError::ImageTooLarge);
    }
    Ok(ClientMessage::ImagePart { image, length, offset, bytes })
}
