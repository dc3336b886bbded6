// The board: takes operations in one order and keeps what they make; the page's copy of server/board/src/board.rs.
//
// A board can stand on another one: it then reads through to it and copies what it changes. So the page keeps the board
// of the log untouched and puts its own operations that are still on their way on top.

import { BOARD_ELEMENTS, COORDINATE, MATRIX } from "../protocol/limits.js";
import { Element, Rejected, keyOf } from "./element.js";
import { StateHash } from "./hash.js";
import { History } from "./history.js";

/** The log does not follow from what is here: start again from a snapshot. */
export class Diverged extends Error {}

/** A board. */
export class Board {
  /** @param {Board} [below] the board that this one stands on */
  constructor(below) {
    this.below = below;
    this.seq = below?.seq ?? 0;
    /** @type {Map<number, { cseq: number, history: History, live: Map<number, string> }>} */
    this.authors = new Map();
    /** @type {Map<string, Element | null>} in the order of `seq`; `null` hides an element of the board below */
    this.elements = new Map();
    this.hash = new StateHash();
    /** How many elements there are here beside those of the board below, less those that are hidden. */
    this.added = 0;
    /** Elements that have this mark are this board's own to change; it shares the others with its copies. */
    this.mark = {};
    /** @type {Set<string>} keys of elements that changed since somebody last looked and cleared it */
    this.changed = new Set();
  }

  /** A board from a snapshot's messages; throws {@link Diverged} where its hash does not fit. */
  static restore({ seq, authors, elements, hash }) {
    const board = Board.arriving({ authors });
    board.take(elements);
    board.arrived({ seq, hash });
    return board;
  }

  /** A board whose elements are still to come, in parts. */
  static arriving({ authors }) {
    const board = new Board();
    for (const { author, cseq, gestures } of authors) {
      const history = new History(gestures.map(({ gesture, undone }) => ({ id: gesture, undone, touched: new Set() })));
      board.authors.set(author, { cseq, history, live: new Map() });
    }
    return board;
  }

  /** A part of them. */
  take(elements) {
    for (const wire of elements) this.#putBack(new Element(wire));
  }

  /** All of them are here; throws {@link Diverged} where they do not have the snapshot's hash. */
  arrived({ seq, hash }) {
    if (this.hash.toString() !== hash) throw new Diverged("the snapshot does not have its hash");
    this.seq = seq;
  }

  /** A copy that goes its own way: a board that stands on nothing. */
  copy() {
    const copy = new Board();
    copy.seq = this.seq;
    for (const [author, { cseq, history, live }] of this.authors) {
      copy.authors.set(author, { cseq, history: history.copy(), live: new Map(live) });
    }
    // Neither changes from now on what both have: each copies what it changes.
    copy.elements = new Map(this.elements);
    copy.added = this.added;
    this.mark = {};
    copy.hash.add(this.hash.lanes);
    return copy;
  }

  #putBack(element) {
    this.#put(element);
    if (element.live !== undefined) this.authors.get(element.author)?.live.set(element.live, element.key);
    const made = { author: element.author, gesture: element.gesture };
    for (const by of [made, ...element.deletions, ...element.patches.map((patch) => patch.by)]) {
      this.authors.get(by.author)?.history.touch(by.gesture, element.key);
    }
    this.#refresh(element.key);
  }

  /** The element of a key, also from the board below. */
  element(key) {
    const own = this.elements.get(key);
    return own === undefined ? this.below?.element(key) : (own ?? undefined);
  }

  /** Every visible element, in the order of `seq`. They are painted in that of `rank` (`inOrder`). */
  *visible() {
    if (this.below) {
      for (const element of this.below.visible()) {
        if (!this.elements.has(element.key)) yield element;
        else if (this.elements.get(element.key)?.visible) yield this.elements.get(element.key);
      }
    }
    for (const element of this.elements.values()) {
      const shown = element?.visible && !(this.below && this.below.element(element.key)?.visible);
      if (shown) yield element;
    }
  }

  /** How many elements it has, also those that can come back by undo. */
  get size() {
    return (this.below?.size ?? 0) + this.added;
  }

  /** The last client sequence number of an author in the log. */
  cseq(author) {
    return this.#look(author)?.cseq ?? 0;
  }

  /** The key of an author's live stroke in a slot. @returns {string | undefined} */
  liveKey(author, slot) {
    return this.#look(author)?.live.get(slot);
  }

  /** The slots in which an author has a live stroke. */
  liveSlots(author) {
    return Array.from(this.#look(author)?.live.keys() ?? []);
  }

  /** The gestures of an author. */
  history(author) {
    return this.#look(author)?.history ?? new History();
  }

  /** Applies the entry of the log at `seq`; throws {@link Diverged} where it does not follow. */
  replay(seq, { author, skip = 0, operation }) {
    if (seq !== this.seq + 1) throw new Diverged(`the log goes on at ${seq}, the board stands at ${this.seq}`);
    const cseq = this.cseq(author) + 1 + skip;
    try {
      // Of a later version: this page cannot show it, and goes on.
      if (operation.type === "unknown") this.#logged(author, cseq);
      else this.submit(author, cseq, operation);
    } catch (error) {
      throw new Diverged(`operation ${seq} of the log breaks a rule: ${/** @type {Error} */ (error).message}`, { cause: error });
    }
    return cseq;
  }

  /** Applies an operation that is new; throws {@link Rejected} where it breaks a rule. */
  submit(author, cseq, operation) {
    const rule = RULES[operation.type];
    if (!rule) throw new Rejected("unknownOperation");
    rule(this, author, cseq, operation);
    this.#logged(author, cseq);
  }

  #logged(author, cseq) {
    this.seq += 1;
    this.#author(author).cseq = cseq;
  }

  #look(author) {
    return this.authors.get(author) ?? this.below?.authors.get(author);
  }

  #author(author) {
    const known = this.authors.get(author);
    if (known) return known;
    const below = this.below?.authors.get(author);
    const fresh = { cseq: 0, history: new History(), live: new Map() };
    const own = below ? { cseq: below.cseq, history: below.history.copy(), live: new Map(below.live) } : fresh;
    this.authors.set(author, own);
    return own;
  }

  /** The element of a key, as this board's own to change. */
  #own(key) {
    const own = this.elements.get(key);
    if (own === null || own?.mark === this.mark) return own;
    const shared = own ?? this.below?.element(key);
    return shared && this.#put(shared.copy());
  }

  /** Takes an element as this board's own. */
  #put(element) {
    element.mark = this.mark;
    if (!this.elements.has(element.key) && !this.below?.element(element.key)) this.added += 1;
    this.elements.set(element.key, element);
    return element;
  }

  begin(author, cseq, begin) {
    if (this.#look(author)?.live.has(begin.slot)) throw new Rejected("slotBusy");
    const content = { type: "stroke", begin: { ...begin, slot: 0, gestureBack: 0 }, live: begin.slot };
    this.add(author, cseq, begin.gestureBack, content);
    this.#author(author).live.set(begin.slot, keyOf(author, cseq));
  }

  #liveStroke(author, slot) {
    const key = this.#look(author)?.live.get(slot);
    if (key === undefined) throw new Rejected("slotFree");
    return key;
  }

  points(author, points) {
    const key = this.#liveStroke(author, points.slot);
    this.#own(key).extend(points);
    this.#refresh(key);
  }

  end(author, slot) {
    const key = this.#liveStroke(author, slot);
    this.#author(author).live.delete(slot);
    this.#own(key).live = undefined;
    this.#refresh(key);
  }

  cancel(author, slot) {
    const key = this.#liveStroke(author, slot);
    const { gesture } = this.element(key);
    this.#remove(key);
    const touched = this.#look(author)?.history.find(gesture)?.touched ?? [];
    const didSomething = Array.from(touched).some((it) => this.element(it)?.isTouchedBy({ author, gesture }));
    if (!didSomething) this.#author(author).history.retract(gesture);
  }

  add(author, cseq, gestureBack, content) {
    if (this.size >= BOARD_ELEMENTS) throw new Rejected("boardFull");
    checkPlace(content.begin ?? content);
    const gesture = this.#gesture(author, cseq, gestureBack);
    const seq = this.seq + 1;
    const element = new Element({ author, cseq, seq, gesture, content, deletions: [], patches: [] });
    this.#open(author, gesture, gestureBack);
    this.#put(element);
    this.#touch(author, gesture, element.key);
  }

  patch(author, cseq, { gestureBack, element, property }) {
    const key = this.#visible(author, element);
    if (!this.element(key).has(property.name)) throw new Rejected("noSuchProperty");
    checkProperty(property);
    const gesture = this.#gesture(author, cseq, gestureBack);
    this.#open(author, gesture, gestureBack);
    this.#own(key).patch({ author, gesture }, property);
    this.#touch(author, gesture, key);
  }

  delete(author, cseq, { gestureBack, elements }) {
    const keys = [];
    for (const element of elements) {
      const key = keyOf(element.author || author, element.cseq);
      if (this.element(key)?.visible) keys.push(key);
    }
    if (keys.length === 0) throw new Rejected("noSuchElement");
    this.#deleteAll(author, cseq, gestureBack, keys);
  }

  clear(author, cseq, { gestureBack }) {
    this.#deleteAll(author, cseq, gestureBack, Array.from(this.visible(), (element) => element.key));
  }

  clearAuthor(author, cseq, { gestureBack, author: whose }) {
    const isTheirs = (element) => element.author === (whose || author);
    this.#deleteAll(author, cseq, gestureBack, Array.from(this.visible()).filter(isTheirs).map((element) => element.key));
  }

  #deleteAll(author, cseq, gestureBack, keys) {
    const gesture = this.#gesture(author, cseq, gestureBack);
    this.#open(author, gesture, gestureBack);
    for (const key of keys) {
      this.#own(key)?.delete({ author, gesture });
      this.#touch(author, gesture, key);
    }
  }

  turn(author, gesture, undone) {
    const touched = this.#look(author) && this.#author(author).history.turn(gesture, undone);
    if (!touched) throw new Rejected("noSuchGesture");
    for (const key of touched) this.#refresh(key);
  }

  #visible(author, reference) {
    const key = keyOf(reference.author || author, reference.cseq);
    if (!this.element(key)?.visible) throw new Rejected("noSuchElement");
    return key;
  }

  #gesture(author, cseq, gestureBack) {
    const gesture = cseq - gestureBack;
    const joins = gestureBack === 0 || this.#look(author)?.history.mayJoin(gesture);
    if (gesture < 0 || !joins) throw new Rejected("gestureClosed");
    return gesture;
  }

  #open(author, gesture, gestureBack) {
    if (gestureBack > 0) return;
    for (const settled of this.#author(author).history.open(gesture)) this.#settle(author, settled);
  }

  /** A gesture left its author's history: what it did stands for good, or is gone for good. */
  #settle(author, { id, undone, touched }) {
    const by = { author, gesture: id };
    for (const key of touched) {
      const element = this.#own(key);
      if (!element) continue;
      const made = element.author === author && element.gesture === id;
      const deleted = element.deletions.some((it) => it.author === author && it.gesture === id);
      if (undone) element.forget(by);
      else element.settle(by);
      if ((made && undone) || (deleted && !undone)) this.#remove(key);
      else this.#refresh(key);
    }
  }

  #remove(key) {
    const element = this.#own(key);
    if (!element) return;
    this.hash.subtract(element.hash);
    this.added -= 1;
    if (this.below?.element(key)) this.elements.set(key, null);
    else this.elements.delete(key);
    if (element.live !== undefined) this.#author(element.author).live.delete(element.live);
    this.changed.add(key);
  }

  #touch(author, gesture, key) {
    this.#author(author).history.touch(gesture, key);
    this.#refresh(key);
  }

  #refresh(key) {
    const element = this.#own(key);
    if (!element) return;
    this.hash.subtract(element.hash);
    element.refresh(({ author, gesture }) => this.#look(author)?.history.isUndone(gesture) ?? false);
    this.hash.add(element.hash);
    this.changed.add(key);
  }
}

const RULES = {
  begin: (board, author, cseq, begin) => board.begin(author, cseq, begin),
  points: (board, author, _, points) => board.points(author, points),
  end: (board, author, _, { slot }) => board.end(author, slot),
  cancel: (board, author, _, { slot }) => board.cancel(author, slot),
  shape: (board, author, cseq, shape) => board.add(author, cseq, shape.gestureBack, madeOf(shape)),
  text(board, author, cseq, text) {
    checkText(text.text);
    board.add(author, cseq, text.gestureBack, madeOf(text));
  },
  note(board, author, cseq, note) {
    checkText(note.text);
    board.add(author, cseq, note.gestureBack, madeOf(note));
  },
  picture: (board, author, cseq, picture) => board.add(author, cseq, picture.gestureBack, madeOf(picture)),
  patch: (board, author, cseq, patch) => board.patch(author, cseq, patch),
  delete: (board, author, cseq, deletion) => board.delete(author, cseq, deletion),
  undo: (board, author, _, { gesture }) => board.turn(author, gesture, true),
  redo: (board, author, _, { gesture }) => board.turn(author, gesture, false),
  clear: (board, author, cseq, clear) => board.clear(author, cseq, clear),
  clearAuthor: (board, author, cseq, clear) => board.clearAuthor(author, cseq, clear),
};

const madeOf = (operation) => ({ ...operation, gestureBack: 0 });

/** The server does not even decode what lies outside. */
function checkPlace({ x, y }) {
  if (Math.abs(x) > COORDINATE || Math.abs(y) > COORDINATE) throw new Rejected("outOfRange");
}

/** What the server does not even decode must not get there. */
function checkProperty(property) {
  const { name, x, y } = property;
  if (name === "text") checkText(property.text);
  if (name === "offset") checkPlace({ x, y });
  if (name === "matrix" && Array.from("abcd").some((entry) => Math.abs(property[entry]) > MATRIX)) {
    throw new Rejected("outOfRange");
  }
}

/** Texts hold no control characters but line feed and tab. */
function checkText(text) {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)) throw new Rejected("controlCharacter");
}
