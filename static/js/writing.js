// The field in which a text or note is written, at its place on the board.

import { copyOf, drawCopies } from "./board/copies.js";
import { Gesture, deleteAll, patch } from "./board/gesture.js";
import { applied } from "./geometry.js";
import { FONT, textExtent } from "./painter.js";
import { TEXT } from "./protocol/limits.js";
import { LINE_HEIGHT, NOTE_EDGE, mapOf, unitOf } from "./shape.js";
import { inkOn, placeIn, widthIn, withOpacity } from "./tools/look.js";

/** Sizes in CSS pixels at the zoom at which it is written: of letters for each width of the pen, and of a new note. */
const LETTERS = { 2: 16, 4: 22, 8: 32, 16: 52 };
const lettersOf = ({ width }) => LETTERS[width] ?? width * 4;
const NOTE_LETTERS = 20;
const NOTE_SIZE = 200;
/** How many times letters of a note become a tenth smaller, at most, to fit on its paper. */
const SHRINKINGS = 16;
/** A note of black would not be read. */
const NOTE_PAPER = "#ffec99";

export class Writing {
  /**
   * @param {import("./tools/tools.js").ToolContext & { toolIsDone: () => void, say: (words: string) => void,
   *   editing: import("./editing.js").Editing }} context
   * @param {HTMLTextAreaElement} field
   */
  constructor(context, field) {
    this.context = context;
    this.field = field;
    this.target = undefined;
  }

  start() {
    this.field.addEventListener("blur", () => this.finish());
    this.field.addEventListener("input", () => this.#fit());
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
    const letters = size * unit * viewport.zoom;
    Object.assign(style, {
      left: `${left}px`, top: `${top}px`, font: `${letters}px/${LINE_HEIGHT} ${FONT}`,
      transform: `matrix(${map.slice(0, 4).join(",")},0,0)`,
      color: isNote ? made.colour : this.context.stage.painter.shown(made.colour), background: isNote ? made.fill : "", padding: isNote ? `${NOTE_EDGE * letters}px` : "0",
    });
    this.#fit();
  }

  #fit() {
    if (!this.target) return;
    const { made, isNote, size, unit } = this.target;
    const { zoom } = this.context.viewport;
    const { style } = this.field;
    this.field.classList.toggle("note", isNote);
    style.whiteSpace = isNote ? "pre-wrap" : "pre";
    style.width = isNote ? `${Math.abs(made.dx) * unit * zoom}px` : "0";
    style.height = "0";
    if (!isNote) {
      // `scrollWidth` does not count what overflows to the left, where right-to-left text goes.
      const [wide] = textExtent(this.field.value, size * unit * zoom);
      style.width = `${Math.ceil(Math.max(wide, this.field.scrollWidth)) + 8}px`;
    }
    style.height = `${Math.max(this.field.scrollHeight, isNote ? Math.abs(made.dy) * unit * zoom : 0)}px`;
  }

  #pressed(event) {
    event.stopPropagation();
    const isDone = event.key === "Escape" || (event.key === "Enter" && (event.ctrlKey || event.metaKey));
    if (!isDone || event.isComposing) return;
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
    this.context.toolIsDone();
  }

  #take(target) {
    const typed = cleaned(this.field.value);
    const text = bounded(typed, TEXT);
    const { words, size } = target.isNote ? this.#laidOut(target, text) : { words: text, size: target.size };
    const kept = bounded(words, TEXT);
    if (text.length < typed.length || kept.length < words.length) this.context.say("textTooLong");
    this.context.attempt(() => (target.element ? this.#change(target, kept, size) : this.#add(target, kept)));
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

  #change({ element }, text, size) {
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
    else patch(gesture, now, { name: "text", text });
    if (now.kind === "note" && now.properties.width !== size) patch(gesture, now, { name: "width", width: size });
  }
}

const heightOf = (text, size) => Math.ceil((text.split("\n").length * LINE_HEIGHT + 2 * NOTE_EDGE) * size);

/** Where a line was broken is told by the space at its end, or in a word that is too long by one that has no width. */
const NO_WIDTH = "\u200b";
const unbroken = (text) => text.replaceAll(" \n", " ").replaceAll(`${NO_WIDTH}\n`, "");

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
