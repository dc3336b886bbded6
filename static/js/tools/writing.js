// The field in which a text or note is written, at its place on the board.

import { copyOf, drawCopies } from "../board/copies.js";
import { Gesture, deleteAll, patch } from "../board/gesture.js";
import { FONT, textExtent } from "../canvas/painter.js";
import { isComposed } from "../input/commands.js";
import { applied, around } from "../plane/geometry.js";
import { LINE_HEIGHT, NOTE_EDGE, directed, mapOf, unitOf } from "../plane/shape.js";
import { TEXT } from "../protocol/limits.js";
import { inkOn, placeIn, widthIn, withOpacity } from "./look.js";

/** Sizes in CSS pixels at the zoom at which it is written: of letters for each width of the pen, and of a new note. */
const LETTERS = { 2: 16, 4: 22, 8: 32, 16: 52 };
const lettersOf = ({ width }) => LETTERS[width] ?? width * 4;
const NOTE_LETTERS = 20;
/** Letters of the field that are smaller make Safari on a phone zoom the page: such a field is shrunk as a whole. */
const LEAST_LETTERS = 16;
const NOTE_SIZE = 200;
/** How many times letters of a note become a tenth smaller, at most, to fit on its paper. */
const SHRINKINGS = 16;
/** A note of black would not be read. */
const NOTE_PAPER = "#ffec99";
/** As much of a text is shown to others while it is written, in bytes. */
const SHOWN = 1024;
/** How strong the frame is by which others see that something is being written. */
const FRAME_OPACITY = 0.4;

export class Writing {
  /**
   * @param {import("./tools.js").ToolContext & { toolIsDone: () => void, say: (words: string) => void, bringIntoSight: (box: number[]) => void,
   *   editing: import("./editing.js").Editing }} context
   * @param {HTMLTextAreaElement} field
   */
  constructor(context, field) {
    this.context = context;
    this.field = field;
    this.target = undefined;
    /** Own changes of texts that are not in the log yet, by the element's key. @type {Map<string, any>} */
    this.unheard = new Map();
    /** CSS pixels of the field in a unit of its text. */
    this.perUnit = 1;
  }

  start() {
    this.field.addEventListener("blur", () => this.finish());
    this.field.addEventListener("input", () => this.#typed());
    this.field.addEventListener("keyup", () => this.#followCaret());
    this.field.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Begins a text or note at a place of the board. */
  write(place, isNote) {
    this.finish();
    const { style, viewport } = this.context;
    const scale = viewport.penScale;
    const letters = isNote ? NOTE_LETTERS : lettersOf(style);
    const size = widthIn(letters, scale, viewport.zoom);
    const [x, y] = placeIn(place, scale);
    const made = { type: isNote ? "note" : "text", size, scale, x, y };
    if (isNote) {
      const side = widthIn(NOTE_SIZE, scale, viewport.zoom);
      const fill = style.colour === this.context.firstColour ? NOTE_PAPER : style.colour;
      Object.assign(made, { colour: inkOn(fill), fill: withOpacity(fill, 1), dx: side, dy: side });
    } else {
      made.colour = withOpacity(style.colour, style.opacity);
    }
    this.#open({ made, isNote, size, unit: 2 ** -scale, map: [1, 0, 0, 1, 0, 0] }, "");
  }

  /** Puts down words that were pasted, as a text. */
  paste(words, place) {
    const { style, viewport } = this.context;
    const scale = viewport.penScale;
    const [x, y] = placeIn(place, scale);
    const size = widthIn(lettersOf(style), scale, viewport.zoom);
    const all = cleaned(words);
    const text = bounded(all, TEXT);
    if (text.length < all.length) this.context.say("textTooLong");
    if (text.trim() === "") return;
    const content = { colour: withOpacity(style.colour, style.opacity), size, scale, x, y, text };
    this.context.editing.draw([{ kind: "text", content }]);
  }

  /** Changes the words of an element. */
  rewrite(element) {
    this.finish();
    const { content, properties, kind } = element;
    const made = { ...content, size: properties.width, colour: properties.colour, fill: properties.fill };
    const isNote = kind === "note";
    const target = { element, made, isNote, size: properties.width, unit: unitOf(element), map: mapOf(element) };
    this.context.showPreview({ hidden: new Set([element.key]), elements: [] });
    this.#open(target, isNote ? unbroken(properties.text) : properties.text);
  }

  #open(target, text) {
    this.target = target;
    this.field.value = text;
    this.begunWith = this.field.value;
    this.field.hidden = false;
    this.place();
    this.field.focus();
    this.#fit();
  }

  /** Puts the field where its text is, when the board has moved. */
  place() {
    if (!this.target) return;
    const { made, isNote, size, unit, map } = this.target;
    const { viewport } = this.context;
    const { style } = this.field;
    const [x, y] = applied(map, [made.x, made.y]);
    const [left, top] = viewport.toScreen([x * unit, y * unit]);
    const letters = Math.max(LEAST_LETTERS, size * unit * viewport.zoom);
    const shrunk = (size * unit * viewport.zoom) / letters;
    this.perUnit = letters / size;
    Object.assign(style, {
      left: `${left}px`, top: `${top}px`, font: `${letters}px/${LINE_HEIGHT} ${FONT}`,
      transform: `matrix(${map.slice(0, 4).map((part) => part * shrunk).join(",")},0,0)`,
      color: isNote ? made.colour : this.context.stage.painter.shown(made.colour), background: isNote ? made.fill : "", padding: isNote ? `${NOTE_EDGE * letters}px` : "0",
    });
    this.#fit();
  }

  #fit() {
    if (!this.target) return;
    const { made, isNote, size } = this.target;
    const { style } = this.field;
    this.field.classList.toggle("note", isNote);
    style.whiteSpace = isNote ? "pre-wrap" : "pre";
    style.width = isNote ? `${Math.abs(made.dx) * this.perUnit}px` : "0";
    style.height = "0";
    if (!isNote) {
      // `scrollWidth` does not count what overflows to the left, where right-to-left text goes.
      const [wide] = textExtent(this.field.value, size * this.perUnit);
      style.width = `${Math.ceil(Math.max(wide, this.field.scrollWidth)) + 8}px`;
    }
    style.height = `${Math.max(this.field.scrollHeight, isNote ? Math.abs(made.dy) * this.perUnit : 0)}px`;
  }

  /** Shows others what is being written, in a frame that covers what was there. */
  #showOthers() {
    const { element, made, isNote, map, size } = this.target;
    const { viewport } = this.context;
    const { scale } = made;
    const field = [this.field.offsetWidth, this.field.offsetHeight].map((side) => side / this.perUnit);
    const before = textExtent(this.begunWith, size);
    const wide = isNote ? [made.dx, made.dy] : field.map((side, at) => Math.max(side, before[at]));
    const [[x, y], [toX, toY]] = [0, 1].map((at) => applied(map, [made.x + at * wide[0], made.y + at * wide[1]]).map(Math.round));
    // A text that was turned or stretched stays as it was until it is finished: a frame that covered it would not fit.
    const isUpright = map.slice(0, 4).join() === "1,0,0,1";
    const paper = isNote ? made.fill : "#ffffffff";
    const covers = isUpright && (isNote || element);
    const look = { colour: withOpacity(made.colour, FRAME_OPACITY), fill: covers ? paper : "#00000000", width: widthIn(1, scale, viewport.zoom) };
    const frame = { kind: "rectangle", ...look, scale, x, y, dx: toX - x, dy: toY - y };
    this.context.showDraft(frame, isUpright ? this.#shownText() : undefined);
  }

  /** The words as others see them meanwhile. */
  #shownText() {
    const { made, isNote, map, size } = this.target;
    const edge = isNote ? NOTE_EDGE * size : 0;
    const words = isNote ? broken(this.field.value, Math.abs(made.dx) - 2 * edge, size) : this.field.value;
    const corner = [made.x + Math.min(0, made.dx ?? 0), made.y + Math.min(0, made.dy ?? 0)];
    const [x, y] = applied(map, corner).map((side) => Math.round(side + edge));
    return words === "" ? undefined : { gestureBack: 0, colour: made.colour, size, scale: made.scale, x, y, text: bounded(words, SHOWN) };
  }

  #typed() {
    this.#fit();
    this.#showOthers();
    this.#followCaret();
  }

  /** Has the board moved so that the caret is seen. */
  #followCaret() {
    if (!this.target) return;
    const { made, isNote, size, unit, map } = this.target;
    const edge = isNote ? NOTE_EDGE * size : 0;
    const written = this.field.value.slice(0, this.field.selectionEnd);
    const lines = (isNote ? broken(written, Math.abs(made.dx) - 2 * edge, size) : written).split("\n");
    const last = lines.at(-1);
    // The caret of a line from right to left is at its beginning on the left, where the line grows.
    const along = directed(last) === last ? textExtent(last, size)[0] : 0;
    const onScreen = (line) => {
      const place = applied(map, [made.x + edge + along, made.y + edge + line * LINE_HEIGHT * size]);
      return this.context.viewport.toScreen(place.map((side) => side * unit));
    };
    this.context.bringIntoSight(around([onScreen(lines.length - 1), onScreen(lines.length)]));
  }

  #pressed(event) {
    const isDone = event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey));
    if (!isDone || isComposed(event)) return;
    event.preventDefault();
    this.finish();
  }

  /** Takes what was written. */
  finish() {
    const { target } = this;
    if (!target) return;
    this.target = undefined;
    this.field.hidden = true;
    // What was not touched is not written over what somebody else may have made of it.
    if (!target.element || this.field.value !== this.begunWith) this.#take(target);
    this.context.endPreview();
    this.context.showDraft(undefined);
    this.context.toolIsDone();
  }

  #take(target) {
    const typed = cleaned(this.field.value);
    const now = target.element && this.context.session.board.element(target.element.key);
    const theirs = now?.visible ? wordsOf(now) : this.begunWith;
    if (theirs !== this.begunWith) this.context.say("textMerged");
    this.#put({ ...target, base: theirs }, merged(this.begunWith, theirs, typed));
  }

  /** The log has grown: what somebody else wrote before an own change, and this page had not heard of, is joined with it. */
  heard() {
    for (const [key, { target, text, cseq, base, known }] of this.unheard) {
      const { board, log, self } = this.context.session;
      const element = log.element(key);
      if (board.history(self).isUndone(cseq)) {
        // Own words that were taken back are not joined in.
        this.unheard.delete(key);
        continue;
      }
      const latest = element && lastOfOthers(element, self, cseq);
      const isOvertaken = element?.visible && latest !== undefined && latest !== known && wordsOf(element, latest) !== base;
      if (isOvertaken || log.cseq(self) >= cseq) this.unheard.delete(key);
      if (!isOvertaken) continue;
      const theirs = wordsOf(element, latest);
      this.context.say("textMerged");
      this.#put({ ...target, base: theirs }, merged(base, theirs, text));
    }
  }

  #put(target, typed) {
    const text = bounded(typed, TEXT);
    const { words, size } = target.isNote ? this.#laidOut(target, text) : { words: text, size: target.size };
    const kept = bounded(words, TEXT);
    if (text.length < typed.length || kept.length < words.length) this.context.say("textTooLong");
    this.context.attempt(() => (target.element ? this.#change(target, kept, size, text) : this.#add(target, kept)));
  }

  #add({ made, isNote, size }, text) {
    if (text.trim() === "") return;
    const operation = { ...made, text };
    if (isNote) operation.dy = Math.max(made.dy, heightOf(text, size));
    new Gesture(this.context).submit(operation);
  }

  /** A new note has as much paper as it needs; on paper that is there letters become smaller until all is on it. */
  #laidOut({ element, made }, text) {
    // A space at the end of a typed line would be taken for a break of ours.
    const lines = text.replace(/ +\n/g, "\n");
    const sizes = element ? Array.from({ length: SHRINKINGS }, (_, times) => Math.max(1, Math.round(element.content.size * 0.9 ** times))) : [made.size];
    const laid = (size) => ({ size, words: broken(lines, Math.abs(made.dx) - 2 * NOTE_EDGE * size, size) });
    const fits = ({ size, words }) => heightOf(words, size) <= Math.abs(made.dy);
    let all = laid(sizes[0]);
    for (const size of sizes.slice(1)) if (!fits(all)) all = laid(size);
    return all;
  }

  #change(target, text, size, typed) {
    const { element } = target;
    const now = this.context.session.board.element(element.key);
    if (now?.visible && now.properties.text === text) return;
    const gesture = new Gesture(this.context);
    if (!now?.visible) {
      // Somebody has deleted it meanwhile, and not these words.
      const copy = copyOf(element);
      if (text.trim() !== "") drawCopies(gesture, [{ ...copy, content: { ...copy.content, text, size } }], (group) => group);
      return;
    }
    if (text.trim() === "" && now.kind === "text") deleteAll(gesture, [now]);
    else this.#changeWords(gesture, now, text, { target, text: typed });
    if (now.kind === "note" && now.properties.width !== size) patch(gesture, now, { name: "width", width: size });
  }

  #changeWords(gesture, now, text, change) {
    const { session } = this.context;
    const log = session.log.element(now.key);
    const known = log && lastOfOthers(log, session.self, Infinity);
    const cseq = patch(gesture, now, { name: "text", text });
    // A change on top of one that is not in the log either goes on from where that one began.
    const first = this.unheard.get(now.key) ?? { base: change.target.base, known };
    this.unheard.set(now.key, { ...change, cseq, base: first.base, known: first.known });
  }
}

const heightOf = (text, size) => Math.ceil((text.split("\n").length * LINE_HEIGHT + 2 * NOTE_EDGE) * size);

/** Where a line was broken is told by the space at its end, or in a word that is too long by one that has no width. */
const NO_WIDTH = "\u200b";
export const unbroken = (text) => text.replaceAll(" \n", " ").replaceAll(`${NO_WIDTH}\n`, "");

/** The words of an element, or others that it had, as they are written. */
const wordsOf = ({ kind, properties }, text = properties.text) => (kind === "note" ? unbroken(text) : text);

/** The latest words that others gave an element, in the log before an own change that has the number, or of all. */
function lastOfOthers({ patches }, self, cseq) {
  const texts = patches.filter(({ property }) => property.name === "text");
  const own = texts.findIndex(({ by }) => by.author === self && by.gesture === cseq);
  return texts.slice(0, own < 0 ? undefined : own).findLast(({ by }) => by.author !== self)?.property.text;
}

/** Joins what two people made of the same words: where both changed the same ones, theirs stand before one's own. Nothing written is lost. */
export function merged(base, theirs, own) {
  if (theirs === base || theirs === own) return own;
  if (own === base) return theirs;
  const [words, others, mine] = [base, theirs, own].map((text) => text.split(/(?<=\s)|(?=\s)/).filter((word) => word !== ""));
  const [a, b] = [changeOf(words, others), changeOf(words, mine)];
  const join = (...parts) => parts.flat().join("");
  // Two insertions at one place are lines of their own, unless one of them ends or begins with a space.
  const isSame = a.from === a.to && b.from === b.to && a.from === b.from;
  if (isSame && !/\s$/.test(a.put.join("")) && !/^\s/.test(b.put.join(""))) a.put = [...a.put, "\n"];
  // If neither touches a part that the other took away, both changes are done.
  if (a.to <= b.from) return join(words.slice(0, a.from), a.put, words.slice(a.to, b.from), b.put, words.slice(b.to));
  if (b.to <= a.from) return join(words.slice(0, b.from), b.put, words.slice(b.to, a.from), a.put, words.slice(a.to));
  const [from, to] = [Math.min(a.from, b.from), Math.max(a.to, b.to)];
  const made = ({ from: at, to: end, put }) => join(words.slice(from, at), put, words.slice(end, to));
  const both = [made(a), made(b)].filter((part) => part.trim() !== "");
  return join(words.slice(0, from), both.join("\n"), words.slice(to));
}

/** The changed part of a list: its beginning and end in the first list, and its items in the second. */
function changeOf(before, after) {
  const least = Math.min(before.length, after.length);
  let from = 0;
  while (from < least && before[from] === after[from]) from += 1;
  let same = 0;
  while (same < least - from && before.at(-1 - same) === after.at(-1 - same)) same += 1;
  return { from, to: before.length - same, put: after.slice(from, after.length - same) };
}

/** Breaks the lines of a note where they are too long, in units. */
export function broken(text, width, size) {
  const fits = (line) => textExtent(line, size)[0] <= width;
  return text.split("\n").map((line) => brokenLine(line, fits)).join("\n");
}

function brokenLine(line, fits) {
  const lines = [""];
  for (const word of line.split(/(?<= )/)) {
    const next = lines.at(-1) + word;
    if (fits(next.trimEnd())) lines[lines.length - 1] = next;
    else for (const part of parts(word, fits)) lines.push(part);
  }
  return (lines[0] === "" && lines.length > 1 ? lines.slice(1) : lines).join("\n");
}

/** A word that is longer than a line, in parts that are not. */
function parts(word, fits) {
  const all = [""];
  for (const letter of word) {
    if (all.at(-1) !== "" && !fits((all.at(-1) + letter).trimEnd())) all.push("");
    all[all.length - 1] += letter;
  }
  return all.map((part, at) => (at < all.length - 1 ? part + NO_WIDTH : part));
}

/** Text without what the board refuses. */
export const cleaned = (text) =>
  // eslint-disable-next-line no-control-regex
  text.replaceAll("\r\n", "\n").replaceAll("\r", "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");

/** As much of a text as goes into so many bytes. */
export function bounded(text, most) {
  const bytes = new TextEncoder().encode(text);
  // A letter that was cut through becomes U+FFFD at the end.
  return bytes.length <= most ? text : new TextDecoder().decode(bytes.subarray(0, most)).replace(/\ufffd$/, "");
}
