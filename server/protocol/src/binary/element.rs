//! Elements of a snapshot.

use super::operation::{
    any_property, begin, note, picture, put_begin, put_note, put_picture, put_property, put_shape, put_text_element,
    shape, text_element,
};
use super::packet::Result;
use super::packet::list;
use super::value::author_number;
use crate::bytes::{Reader, put_number};
use crate::limits;
use crate::{AuthorState, Content, DecodeError, Element, GestureRef, GestureState, Ink, PatchRecord};

pub(super) fn put_author(out: &mut Vec<u8>, author: &AuthorState) {
    put_number(out, u64::from(author.author));
    put_number(out, author.cseq);
    put_number(out, author.gestures.len() as u64);
    for gesture in &author.gestures {
        put_number(out, gesture.gesture << 1 | u64::from(gesture.undone));
    }
}

fn put_gesture_ref(out: &mut Vec<u8>, by: GestureRef) {
    put_number(out, u64::from(by.author));
    put_number(out, by.gesture);
}

pub(super) fn put_element(out: &mut Vec<u8>, element: &Element) {
    put_number(out, u64::from(element.author));
    for number in [element.cseq, element.seq, element.gesture] {
        put_number(out, number);
    }
    put_content(out, &element.content);
    put_number(out, element.deletions.len() as u64);
    element.deletions.iter().for_each(|by| put_gesture_ref(out, *by));
    put_number(out, element.patches.len() as u64);
    for patch in &element.patches {
        put_gesture_ref(out, patch.by);
        put_property(out, &patch.property);
    }
}

fn put_content(out: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Stroke { begin, points, live } => {
            out.push(0);
            put_begin(out, begin);
            points.put(out);
            out.push(live.map_or(0, |slot| slot + 1));
        }
        Content::Shape(shape) => {
            out.push(1);
            put_shape(out, shape);
        }
        Content::Text(text) => {
            out.push(2);
            put_text_element(out, text);
        }
        Content::Note(note) => {
            out.push(3);
            put_note(out, note);
        }
        Content::Picture(picture) => {
            out.push(4);
            put_picture(out, picture);
        }
    }
}

pub(super) fn author_state(body: &mut Reader<'_>) -> Result<AuthorState> {
    Ok(AuthorState {
        author: author_number(body)?,
        cseq: body.number()?,
        gestures: list(body, |body| {
            let number = body.number()?;
            Ok(GestureState { gesture: number >> 1, undone: number & 1 == 1 })
        })?,
    })
}

fn gesture_ref(body: &mut Reader<'_>) -> Result<GestureRef> {
    Ok(GestureRef { author: author_number(body)?, gesture: body.number()? })
}

pub(super) fn element(body: &mut Reader<'_>) -> Result<Element> {
    Ok(Element {
        author: author_number(body)?,
        cseq: body.number()?,
        seq: body.number()?,
        gesture: body.number()?,
        content: content(body)?,
        deletions: list(body, gesture_ref)?,
        patches: list(body, |body| Ok(PatchRecord { by: gesture_ref(body)?, property: any_property(body)? }))?,
    })
}

fn content(body: &mut Reader<'_>) -> Result<Content> {
    Ok(match body.byte()? {
        0 => {
            let (begin, points) = (begin(body)?, Ink::read(body)?);
            let live = match body.byte()? {
                0 => None,
                slot if slot <= limits::LIVE_SLOTS => Some(slot - 1),
                _ => return Err(DecodeError::SlotOutOfRange),
            };
            Content::Stroke { begin, points, live }
        }
        1 => Content::Shape(shape(body)?),
        2 => Content::Text(text_element(body)?),
        3 => Content::Note(note(body)?),
        4 => Content::Picture(picture(body)?),
        _ => return Err(DecodeError::UnknownValue),
    })
}
