// One element of a board and everything that gestures have done to it; the page's copy of server/board/src/element.rs.

import { fromHex } from "../protocol/bytes.js";
import * as limits from "../protocol/limits.js";
import { SHAPES, TOOLS } from "../protocol/names.js";
import { Fold, colourWord } from "./hash.js";
import { PROPERTIES, madeWith } from "./properties.js";

/** An operation that breaks a rule of the board; `reason` is the name that the server gives it. */
export class Rejected extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** Compares elements by their place in painting order. */
export const inOrder = (one, other) => one.properties.rank - other.properties.rank || one.seq - other.seq;

/** Name of an element in maps: its author and the client sequence number that made it. */
export const keyOf = (author, cseq) => `${author}:${cseq}`;

/** The ink of a stroke, which has some. @param {{ ink?: Ink }} element @returns {Ink} */
const pointsOf = ({ ink }) => /** @type {Ink} */ (ink);

/**
 * An element as the page holds it. Ink is kept as absolute points in the stroke's units, in columns.
 *
 * @typedef {{ x: number[], y: number[], pressure: number[] }} Ink
 */
export class Element {
  /** @param {any} wire an element of a snapshot, in the shape of its JSON mirror or with `ink` for a stroke's points */
  constructor(wire) {
    const { author, cseq, seq, gesture, content, deletions, patches } = wire;
    this.author = author;
    this.cseq = cseq;
    this.seq = seq;
    this.gesture = gesture;
    this.deletions = [...deletions];
    this.patches = [...patches];
    const { points, ink } = content;
    // The steps of a stroke become its ink: kept beside that they would take several times its room.
    this.content = content.type === "stroke" ? { type: "stroke", begin: content.begin } : content;
    this.key = keyOf(author, cseq);
    this.kind = content.type;
    this.live = content.live;
    this.visible = false;
    this.hash = [0, 0];
    /** @type {any} */
    this.properties = undefined;
    /** The hash of a stroke's ink. @type {any} */
    this.inkFold = undefined;
    /** Of the board whose own it is to change. @type {object | undefined} */
    this.mark = undefined;
    if (this.kind === "stroke") this.startInk(content.begin, ink);
    if (points) this.append(points);
  }

  /** @param {{ x: number, y: number, pressure?: number }} begin @param {Ink} [ink] with the first point */
  startInk({ x, y, pressure }, ink = { x: [x], y: [y], pressure: [pressure ?? 0] }) {
    this.pressed = pressure !== undefined;
    this.ink = ink;
    this.inkFold = new Fold();
    this.takeIn(0);
  }

  /** The same element with other values, to be looked at: it shares the rest with this one. @param {object} [values] */
  with(values) {
    return Object.assign(Object.create(Element.prototype), this, values);
  }

  /** A copy that can be changed without changing this one. */
  copy() {
    const copy = this.with();
    copy.deletions = [...this.deletions];
    copy.patches = [...this.patches];
    if (this.ink && this.live !== undefined) {
      copy.ink = { x: [...this.ink.x], y: [...this.ink.y], pressure: [...this.ink.pressure] };
      copy.inkFold = this.inkFold.copy();
    }
    return copy;
  }

  /** The scale exponent of its units. */
  get scale() {
    return this.content.begin?.scale ?? this.content.scale;
  }

  /** Adds points to a live stroke. */
  extend(points) {
    if (this.pressed !== (points.pressures !== undefined)) throw new Rejected("pressureMismatch");
    if (pointsOf(this).x.length - 1 + points.steps.length > limits.STROKE_POINTS) throw new Rejected("strokeFull");
    this.append(points);
  }

  append({ steps, pressures }) {
    const { x, y, pressure } = pointsOf(this);
    let [px, py, pp] = [x.at(-1), y.at(-1), pressure.at(-1)];
    const count = x.length;
    for (let at = 0; at < steps.length; at++) {
      x.push((px += steps[at][0]));
      y.push((py += steps[at][1]));
      pressure.push(pressures ? (pp += pressures[at]) : pp);
    }
    this.takeIn(count);
  }

  /** Checks what ink there is from a point on, all or nothing, and takes it into the hash. */
  takeIn(from) {
    const { x, y, pressure } = pointsOf(this);
    const most = limits.COORDINATE;
    for (let at = from; at < x.length; at++) {
      const isWithin = x[at] <= most && x[at] >= -most && y[at] <= most && y[at] >= -most && pressure[at] >= 0 && pressure[at] <= limits.PRESSURE;
      if (isWithin) continue;
      for (const column of [x, y, pressure]) column.length = from;
      throw new Rejected("outOfRange");
    }
    this.inkFold.points(pointsOf(this), from);
  }

  /** Whether elements of this kind have the property. @param {string} property */
  has(property) {
    return PROPERTIES[property].kinds.includes(this.kind);
  }

  /** Whether a gesture made, deleted or changed it. */
  isTouchedBy(by) {
    const made = { author: this.author, gesture: this.gesture };
    return [made, ...this.deletions, ...this.patches.map((patch) => patch.by)].some((it) => sameGesture(it, by));
  }

  delete(by) {
    if (!this.deletions.some((deletion) => sameGesture(deletion, by))) this.deletions.push(by);
  }

  patch(by, property) {
    this.patches = this.patches.filter((it) => !sameGesture(it.by, by) || it.property.name !== property.name);
    this.patches.push({ by, property });
  }

  /** Forgets what an undone gesture did here; it can no longer be redone. */
  forget(by) {
    this.deletions = this.deletions.filter((deletion) => !sameGesture(deletion, by));
    this.patches = this.patches.filter((patch) => !sameGesture(patch.by, by));
  }

  /** A gesture can no longer be undone: the values that it overwrote are gone for good. */
  settle(by) {
    const settled = this.patches.map((patch) => sameGesture(patch.by, by));
    this.patches = this.patches.filter(
      ({ property }, at) =>
        !this.patches.some((later, when) => when > at && settled[when] && later.property.name === property.name),
    );
  }

  /** Works out what is seen now, its current properties, and its part in the state hash. */
  refresh(isUndone) {
    const made = { author: this.author, gesture: this.gesture };
    this.visible = !isUndone(made) && this.deletions.every(isUndone);
    const patches = this.patches.filter((patch) => !isUndone(patch.by));
    this.properties = this.made();
    for (const { property } of patches) this.assign(property);
    this.hash = this.folded(patches).finish();
  }

  made() {
    return madeWith(this.content, this.seq);
  }

  assign(property) {
    this.properties[property.name] = PROPERTIES[property.name].fromWire(property);
  }

  /** The point about which it is scaled and turned, in its units. */
  get anchor() {
    const { x, y } = this.content.begin ?? this.content;
    return [x, y];
  }

  folded(patches) {
    const fold = new Fold();
    fold.word(this.author);
    fold.number(this.cseq);
    fold.number(this.seq);
    fold.word(this.visible ? 1 : 0);
    this.foldContent(fold);
    for (const { property } of patches) {
      const row = PROPERTIES[property.name];
      fold.word(row.word);
      row.fold(fold, property);
    }
    return fold;
  }

  foldContent(fold) {
    const { begin, kind, colour, fill, width, size, scale, x, y, dx, dy, text, image } = this.content;
    if (this.kind === "stroke") {
      for (const it of [TOOLS.indexOf(begin.tool), colourWord(begin.colour), begin.width, begin.scale]) fold.word(it);
      fold.word(this.live === undefined ? 0 : this.live + 1);
      fold.fold(this.inkFold);
    } else if (this.kind === "shape") {
      const words = [16 + SHAPES.indexOf(kind), colourWord(colour), width, scale, colourWord(fill), x, y, dx, dy];
      for (const it of words) fold.word(it);
    } else if (this.kind === "text") {
      for (const it of [32, colourWord(colour), size, scale, x, y]) fold.word(it);
      fold.text(text);
    } else if (this.kind === "note") {
      for (const it of [48, colourWord(colour), size, scale, colourWord(fill), x, y, dx, dy]) fold.word(it);
      fold.text(text);
    } else {
      for (const it of [49, colourWord(colour), scale, x, y, dx, dy]) fold.word(it);
      for (const byte of fromHex(image)) fold.word(byte);
    }
  }
}

const sameGesture = (one, other) => one.author === other.author && one.gesture === other.gesture;

/** Returns an element that is on no board. @param {any} operation that would draw it @param {string} [dash] */
export function previewOf(operation, dash = "solid") {
  const content = { ...operation, gestureBack: 0 };
  const by = { author: 0, gesture: 0 };
  const patches = dash === "solid" ? [] : [{ by, property: { name: "dash", dash } }];
  const element = new Element({ author: 0, cseq: 0, seq: 0, gesture: 0, content, deletions: [], patches });
  element.refresh(() => false);
  return element;
}
