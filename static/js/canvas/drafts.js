// Shapes and texts that others are just making: drawn above everything, kept nowhere.

import { previewOf } from "../board/element.js";

/** So long one is shown that does not change, in milliseconds: nothing is left behind that cannot be erased. */
const LASTS = 10_000;

/** @typedef {Map<number, { element: import("../board/element.js").Element, timer: number }>} OfAuthors */

export class Drafts {
  /** @param {import("./stage.js").Stage} stage */
  constructor(stage) {
    this.stage = stage;
    /** Shapes, and frames around texts. @type {OfAuthors} */
    this.shown = new Map();
    /** Texts. @type {OfAuthors} */
    this.written = new Map();
    stage.sketches.add((context, view) => {
      for (const { element } of this.shown.values()) stage.painter.draw(context, element, view);
      for (const { element } of this.written.values()) stage.painter.draw(context, element, view);
      return this.shown.size + this.written.size > 0;
    });
  }

  /** @param {number} author @param {object} [shape] as the operation of that name has it; nothing if it was let go */
  show(author, shape) {
    this.#put(this.shown, author, shape && { type: "shape", ...shape });
  }

  /** @param {number} author @param {object} [text] as the operation of that name has it; nothing if it is finished */
  showWriting(author, text) {
    this.#put(this.written, author, text && { type: "text", ...text });
  }

  /** @param {OfAuthors} all @param {number} author @param {object} [operation] */
  #put(all, author, operation) {
    const before = all.get(author);
    if (!before && !operation) return;
    clearTimeout(before?.timer);
    if (operation) all.set(author, { element: previewOf(operation), timer: setTimeout(() => this.#put(all, author), LASTS) });
    else all.delete(author);
    this.stage.sketch();
  }

  /** The element of an author is on the board now. @param {number} author @param {string} type that of the operation */
  drawn(author, type) {
    if (type === "shape") this.show(author);
    if (type === "text" || type === "note") this.showWriting(author);
  }

  /** Those of people who have gone go with them. @param {Map<number, object>} people */
  keepOf(people) {
    for (const all of [this.shown, this.written]) {
      for (const author of all.keys()) if (!people.has(author)) this.#put(all, author);
    }
  }
}

/** The own draft, of which the latest state is sent at intervals. */
export class OwnDraft {
  /**
   * @param {(messages: object[]) => void} send
   * @param {number} apart milliseconds between two messages
   */
  constructor(send, apart) {
    this.send = send;
    this.apart = apart;
    /** @type {{ shape?: object, text?: object }} */
    this.now = {};
    this.sent = {};
  }

  /** @param {{ shape?: object, text?: object }} draft */
  show(draft) {
    this.now = draft;
    this.timer ??= setTimeout(() => this.#tell(), this.apart);
  }

  #tell() {
    this.timer = undefined;
    const { now, sent } = this;
    const messages = [];
    // A draft that was finished before anything was sent of it is never sent.
    if (now.shape || sent.shape) messages.push({ type: "draft", shape: now.shape });
    if (now.text || sent.text) messages.push({ type: "writing", text: now.text });
    if (messages.length > 0) this.send(messages);
    this.sent = now;
  }
}
