// Reading and writing the protocol's primitive fields; the page's copy of server/protocol/src/bytes.rs.

/** Largest number on the wire, 2^53 - 1. */
export const NUMBER = Number.MAX_SAFE_INTEGER;

/** The half byte that says that the step does not fit into one. */
export const ESCAPE = 8;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A packet that is not one; `rule` is the name that the Rust codec gives it. */
export class DecodeError extends Error {
  /** @param {string} rule */
  constructor(rule) {
    super(rule);
    this.rule = rule;
  }
}

const fitsHalfByte = (value) => value >= -7 && value <= 7;

/** Walks over the bytes of one packet; every read is checked against what is left. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  get remaining() {
    return this.bytes.length - this.at;
  }

  take(length) {
    if (length > this.remaining) throw new DecodeError("truncated");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  byte() {
    if (this.remaining === 0) throw new DecodeError("truncated");
    return this.bytes[this.at++];
  }

  flag() {
    const byte = this.byte();
    if (byte > 1) throw new DecodeError("invalidFlag");
    return byte === 1;
  }

  number() {
    // Nearly every one has one byte.
    const first = this.bytes[this.at];
    if (first < 0x80) {
      this.at += 1;
      return first;
    }
    let value = 0;
    for (let shift = 0; shift < 56; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw new DecodeError("numberNotMinimal");
        if (value > NUMBER) throw new DecodeError("numberTooLarge");
        return value;
      }
    }
    throw new DecodeError("numberTooLarge");
  }

  numberUpTo(limit, rule) {
    const value = this.number();
    if (value > limit) throw new DecodeError(rule);
    return value;
  }

  count() {
    const count = this.number();
    if (count > this.remaining) throw new DecodeError("truncated");
    return count;
  }

  signed() {
    const value = this.number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  text(limit) {
    const length = this.numberUpTo(limit, "textTooLong");
    const bytes = this.take(length);
    try {
      return decoder.decode(bytes);
    } catch {
      throw new DecodeError("invalidUtf8");
    }
  }

  /** The length-prefixed body that comes next, as a reader of its own. */
  body() {
    return new Reader(this.take(this.number()));
  }

  rest() {
    return this.take(this.remaining);
  }

  /** One step of a pair, from its half byte. */
  step(half) {
    if (half !== ESCAPE) return half < 8 ? half : half - 16;
    const value = this.signed();
    if (fitsHalfByte(value)) throw new DecodeError("stepNotMinimal");
    return value;
  }

  hex(length) {
    return toHex(this.take(length));
  }

  finish() {
    if (this.remaining > 0) throw new DecodeError("trailingBytes");
  }
}

/** Gathers the bytes of one packet. */
export class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.length = 0;
  }

  #room(more) {
    if (this.length + more <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value) {
    this.#room(1);
    this.bytes[this.length++] = value;
  }

  raw(bytes) {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  flag(value) {
    this.byte(value ? 1 : 0);
  }

  number(value) {
    while (value >= 0x80) {
      this.byte((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    this.byte(value);
  }

  signed(value) {
    this.number(value < 0 ? -value * 2 - 1 : value * 2);
  }

  text(text) {
    const bytes = encoder.encode(text);
    this.number(bytes.length);
    this.raw(bytes);
  }

  pair(first, second) {
    const half = (value) => (fitsHalfByte(value) ? value & 0xf : ESCAPE);
    this.byte((half(first) << 4) | half(second));
    if (!fitsHalfByte(first)) this.signed(first);
    if (!fitsHalfByte(second)) this.signed(second);
  }

  hex(text) {
    this.raw(fromHex(text));
  }

  /** Writes what `fill` writes into another writer, with its length in front. */
  body(fill) {
    const inner = new Writer();
    fill(inner);
    this.number(inner.length);
    this.raw(inner.finish());
  }

  finish() {
    return this.bytes.subarray(0, this.length);
  }
}

/** Each byte as two digits. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** @param {Uint8Array} bytes */
export function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** The bytes of Base64 (RFC 4648 section 4); throws where it is none. @param {string} text */
export const bytesOfBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** @param {string} text */
export function fromHex(text) {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(at * 2, at * 2 + 2), 16));
}
