// The rolling state hash: a sum over the elements; the page's copy of server/board/src/hash.rs.

/** Folds words into two 32-bit lanes. */
export class Fold {
  constructor() {
    this.a = 0x9747b28c | 0;
    this.b = 0x3c6ef372 | 0;
  }

  word(word) {
    const a = Math.imul(this.a ^ word, 0x9e3779b1);
    const b = Math.imul(this.b ^ word, 0x85ebca77);
    this.a = (a << 15) | (a >>> 17);
    this.b = (b << 13) | (b >>> 19);
  }

  /** The words of points from one on, as {@link Fold.word} takes them: in one loop, since there are half a million on a large board. */
  points({ x, y, pressure }, from) {
    let { a, b } = this;
    for (let at = from; at < x.length; at++) {
      for (let axis = 0; axis < 3; axis++) {
        const word = axis === 0 ? x[at] : axis === 1 ? y[at] : pressure[at];
        a = Math.imul(a ^ word, 0x9e3779b1);
        b = Math.imul(b ^ word, 0x85ebca77);
        a = (a << 15) | (a >>> 17);
        b = (b << 13) | (b >>> 19);
      }
    }
    this.a = a;
    this.b = b;
  }

  number(number) {
    this.word(number % 2 ** 32 | 0);
    this.word(Math.floor(number / 2 ** 32) | 0);
  }

  text(text) {
    const bytes = new TextEncoder().encode(text);
    this.word(bytes.length);
    for (const byte of bytes) this.word(byte);
  }

  fold(other) {
    this.word(other.a);
    this.word(other.b);
  }

  copy() {
    return Object.assign(new Fold(), this);
  }

  finish() {
    return [fmix32(this.a), fmix32(this.b)];
  }
}

/** The final mixing of MurmurHash3. */
function fmix32(value) {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}

/** A sum of element hashes. */
export class StateHash {
  constructor(a = 0, b = 0) {
    this.lanes = [a, b];
  }

  /** @param {number[]} lanes */
  add([a, b]) {
    this.lanes = [(this.lanes[0] + a) | 0, (this.lanes[1] + b) | 0];
  }

  /** @param {number[]} lanes */
  subtract([a, b]) {
    this.lanes = [(this.lanes[0] - a) | 0, (this.lanes[1] - b) | 0];
  }

  toString() {
    return this.lanes.map((lane) => (lane >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** The word of a colour such as "#e03231ff". */
export const colourWord = (colour) => parseInt(colour.slice(1), 16) | 0;
