// Taking a board along and bringing things in: files of pixels, lines and copies, the clipboard, and paper.

import { NotCopies, read, written } from "../board/copies.js";
import { inOrder } from "../board/element.js";
import * as geometry from "../plane/geometry.js";
import { bytesOfBase64 } from "../protocol/bytes.js";
import { unbroken } from "../tools/writing.js";
import { NotAPicture } from "./pictures.js";
import { MARGIN, PAPER, svg } from "./svg.js";

/** The longest side of an exported picture, in pixels, and how many there are to a board unit where that allows it. */
const LONGEST_SIDE = 8192;
const PER_UNIT = 2;
/** The same of what the browser's own Print… prints. */
const LONGEST_PRINTED = 4096;
const MOST_PER_UNIT = 8;
/** The largest file of copies that is read, in bytes. */
const LARGEST = 128 * 1024 * 1024;
/** What an SVG begins with, behind all that may stand before it (XML 1.0, section 2.8). */
const SVG_BEGINS = /^\s*(<\?xml[^>]*>\s*)?(<!--(?:(?!-->)[^])*-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]/;
/** Says in an SVG of ours what it was made of. */
const METADATA = "inkwire-elements";
/** Most pictures whose pixels go to the clipboard. */
const MOST_COPIED = 16;
/** The attribute that has copies on the clipboard. */
const COPIES = "data-inkwire";
/** How much of a text is looked at to tell what it is. */
const HEAD = 64 * 1024;
/** CSS pixels between several files that are brought in at once: none hides another. */
const APART = 24;
const KINDS = { png: "image/png", svg: "image/svg+xml", json: "application/json" };

export class Exchange {
  /**
   * @param {import("../tools/desk.js").Desk} desk
   * @param {{ boardName: string, pictures: import("./pictures.js").Pictures, shown: () => any }} board `shown` returns the board that is seen:
   *   as it is now, or at a moment of the past
   */
  constructor(desk, { boardName, pictures, shown }) {
    this.desk = desk;
    this.boardName = boardName;
    this.pictures = pictures;
    this.shown = shown;
  }

  /** The elements of a part of the board, in painting order: `board`, `selection` or `view`. */
  elements(part) {
    const { selection, session, stage } = this.desk;
    const finished = (element) => !session.isBeingDrawn(element);
    if (part === "selection") return selection.elements.sort(inOrder);
    if (part === "view") return stage.elementsTouching(this.#view).filter(finished).sort(inOrder);
    return Array.from(this.shown().visible()).filter(finished).sort(inOrder);
  }

  get #view() {
    const { viewport, stage } = this.desk;
    return viewport.bounds(stage.size);
  }

  /** The area of the board that a picture of elements shows. */
  #area(elements, part) {
    if (part === "view") return this.#view;
    const boxes = elements.map((element) => this.desk.boundsOf(element));
    return geometry.grown(boxes.length > 0 ? boxes.reduce(geometry.union) : [0, 0, 0, 0], MARGIN);
  }

  /** @param {"png" | "svg" | "json"} kind @param {"board" | "selection" | "view"} part @returns {Promise<Blob>} */
  async blob(kind, part, hasPaper = true) {
    const elements = this.elements(part);
    if (kind === "png") return this.#png(elements, part, hasPaper);
    const images = await this.imagesOf(elements);
    const copies = written(elements, images);
    if (kind === "json") return new Blob([copies], { type: KINDS.json });
    const area = part === "board" ? undefined : this.#area(elements, part);
    return new Blob([withMetadata(svg(elements, { images, area, hasPaper }), copies)], { type: KINDS.svg });
  }

  /** The bytes of the pictures among elements, as data URLs; those that cannot be had are missing. */
  async imagesOf(elements) {
    const hashes = new Set(Array.from(elements, ({ content }) => content.image).filter(Boolean));
    const images = {};
    for (const hash of hashes) {
      const blob = await this.pictures.bytesOf(hash).catch(() => undefined);
      if (blob) images[hash] = await dataUrl(blob);
    }
    return images;
  }

  /** Those that cannot be had are shown as the page shows them then. */
  #loadPictures(elements) {
    const hashes = new Set(elements.map(({ content }) => content.image).filter(Boolean));
    return Promise.allSettled(Array.from(hashes, (hash) => this.pictures.load(hash)));
  }

  async #png(elements, part, hasPaper) {
    await this.#loadPictures(elements);
    const canvas = new OffscreenCanvas(1, 1);
    this.#paint(canvas, elements, part, { hasPaper, longest: LONGEST_SIDE, most: PER_UNIT });
    return canvas.convertToBlob({ type: KINDS.png });
  }

  /** Paints elements, with the pictures whose pixels are here, on a canvas that gets the size for them. */
  #paint(canvas, elements, part, { hasPaper, longest, most }) {
    const { painter } = this.desk.stage;
    const [left, top, right, bottom] = this.#area(elements, part);
    const scale = Math.min(most, longest / Math.max(right - left, bottom - top));
    const side = (length) => Math.max(1, Math.ceil(length * scale));
    Object.assign(canvas, { width: side(right - left), height: side(bottom - top) });
    const canvasContext = canvas.getContext("2d");
    if (hasPaper) {
      canvasContext.fillStyle = PAPER;
      canvasContext.fillRect(0, 0, canvas.width, canvas.height);
    }
    const { shown } = painter;
    // On paper colours are what they are, also on a dark page.
    painter.shown = (colour) => colour;
    for (const element of elements) painter.draw(canvasContext, element, { scale, x: left * scale, y: top * scale });
    painter.shown = shown;
  }

  /** Gives a part of the board as a file. */
  async save(kind, part, hasPaper) {
    try {
      this.download(await this.blob(kind, part, hasPaper), `${this.boardName}.${kind}`);
    } catch (error) {
      console.warn("nothing was exported:", error);
      this.desk.say("notExported");
    }
  }

  /** Gives something as a file. @param {Blob} blob @param {string} name */
  download(blob, name) {
    const link = document.createElement("a");
    link.download = name;
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** Puts a picture of a part of the board on the clipboard. */
  async copyPicture(part) {
    if (this.elements(part).length === 0) return this.desk.say("nothingToExport");
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": this.blob("png", part) })]);
      this.desk.say("pictureCopied");
    } catch {
      this.desk.say("clipboardForbidden");
    }
  }

  /** The browser's own Print… waits for nothing: what it prints is painted at once, where no picture of lines is ready. */
  start() {
    const image = document.querySelector("#print");
    const canvas = document.createElement("canvas");
    image.after(canvas);
    addEventListener("beforeprint", () => {
      const isReady = image.hasAttribute("src");
      if (!isReady) this.#paint(canvas, this.elements("board"), "board", { hasPaper: true, longest: LONGEST_PRINTED, most: MOST_PER_UNIT });
    });
    // A canvas keeps its memory otherwise.
    addEventListener("afterprint", () => Object.assign(canvas, { width: 0, height: 0 }));
  }

  /** Prints the whole board. */
  async print() {
    if (this.elements("board").length === 0) return this.desk.say("nothingToExport");
    const image = document.querySelector("#print");
    image.src = URL.createObjectURL(await this.blob("svg", "board"));
    await image.decode();
    const done = () => {
      URL.revokeObjectURL(image.src);
      image.removeAttribute("src");
    };
    addEventListener("afterprint", done, { once: true });
    print();
  }

  // The clipboard

  /** Puts what is selected on the clipboard; says whether anything is. */
  copy(clipboard) {
    if (this.desk.selection.isEmpty) return false;
    const { elements } = this.desk.selection;
    this.copied = written(elements);
    clipboard.setData("text/plain", wordsOf(elements));
    clipboard.setData("text/html", asHtml(this.copied, wordsOf(elements)));
    this.#copyPixels(elements);
    return true;
  }

  /** Puts the pixels of pictures on the clipboard as well, once they are read: another server does not have them. */
  #copyPixels(elements) {
    const pictures = new Set(elements.map(({ content }) => content.image).filter(Boolean));
    if (pictures.size === 0 || pictures.size > MOST_COPIED || !navigator.clipboard?.write) return;
    const { copied } = this;
    const words = wordsOf(elements);
    let wasLeft = false;
    addEventListener("blur", () => (wasLeft = true), { once: true });
    const copies = this.imagesOf(elements).then((images) => {
      // A later copy, here or perhaps in another program, stays.
      if (this.copied !== copied || wasLeft) throw new Error("something else was copied");
      return new Blob([asHtml(written(elements, images), words)], { type: "text/html" });
    });
    const plain = new Blob([words], { type: "text/plain" });
    navigator.clipboard.write([new ClipboardItem({ "text/plain": plain, "text/html": copies })]).catch(() => {});
  }

  /** Brings in what is on the clipboard as far as the browser lets a page see it, or else what was last copied here. */
  async pasteAsked(place) {
    const clipboard = await seen().catch(() => this.copied && { files: [], text: this.copied });
    if (!clipboard) return this.desk.say("clipboardForbidden");
    return this.#paste(clipboard, place);
  }

  /** Brings in what is on the clipboard or was dropped, at a place of the board. @param {DataTransfer} given */
  async paste(given, place) {
    const words = given.getData("text/plain") || addressesIn(given.getData("text/uri-list"));
    const text = copiesInHtml(given.getData("text/html")) ?? words;
    return this.#paste({ files: Array.from(given.files), text }, place);
  }

  #paste({ files, text }, place) {
    if (files.length > 0) return this.take(files, place);
    if (text === "") return this.desk.say("nothingToTake");
    if (SVG_BEGINS.test(text.slice(0, HEAD))) return this.take([new File([text], "pasted.svg", { type: KINDS.svg })], place);
    try {
      return this.#drawCopies(read(text), place);
    } catch (error) {
      if (!(error instanceof NotCopies)) throw error;
      // What another program has copied for itself is no text for people.
      if (error.reason !== "notOurs" || isJson(text)) return this.desk.say(error.reason);
      return this.desk.attempt(() => this.desk.writing.paste(text, place));
    }
  }

  /** Brings in files, at a place of the board. @param {File[]} files */
  async take(files, place) {
    let refusal;
    for (const [at, file] of Array.from(files).entries()) {
      try {
        await this.#takeFile(file, place?.map((side) => side + (at * APART) / this.desk.viewport.zoom));
      } catch (error) {
        // A folder, say, is no file that could be read.
        const isOurs = error instanceof NotCopies || error instanceof NotAPicture;
        if (!isOurs) console.warn("a file was not taken:", error);
        refusal = isOurs ? error.reason : "notAPicture";
      }
    }
    // At the end, where nothing that is said of the other files takes its place.
    if (refusal) this.desk.say(refusal);
  }

  async #takeFile(file, place) {
    const isJson = file.type === KINDS.json || /\.json$/i.test(file.name ?? "");
    if (isJson) {
      if (file.size > LARGEST) throw new NotCopies("tooMany");
      return this.#drawCopies(read(await file.text()), place);
    }
    if (file.type === KINDS.svg) return this.#takeSvg(file, place);
    return this.#drawPicture(await this.pictures.add(file), place);
  }

  /** An SVG of ours comes in as the elements that it was made of, another one as a picture. */
  async #takeSvg(file, place) {
    const own = file.size <= LARGEST && ownCopies(await file.text());
    if (own) return this.#drawCopies(read(own), place);
    return this.#drawPicture(await this.pictures.add(file), place);
  }

  #drawPicture({ hash, width, height }, place) {
    const { viewport, stage, editing } = this.desk;
    const scale = viewport.penScale;
    // At most half of the screen.
    const share = Math.min(1, stage.width / 2 / width, stage.height / 2 / height) / viewport.zoom;
    const units = (length) => Math.max(1, Math.round(length * 2 ** scale));
    const [dx, dy] = [units(width * share), units(height * share)];
    const [x, y] = place.map((side) => Math.round(side * 2 ** scale));
    const content = { image: hash, colour: "#000000ff", scale, x: x - (dx >> 1), y: y - (dy >> 1), dx, dy };
    this.desk.attempt(() => editing.draw([{ kind: "picture", content }]));
  }

  #drawCopies({ copies, images }, place) {
    const areGood = Object.entries(images).map(([hash, data]) => this.pictures.take(hash, data));
    if (areGood.includes(false)) throw new NotCopies("damaged");
    this.desk.attempt(() => {
      const moved = place ? centred(copies, place) : copies;
      this.desk.editing.draw(moved);
      this.desk.say("broughtIn", { count: copies.length });
      this.#missPictures(copies, images);
    });
  }

  /** Tells of pictures that have come without their pixels from where this server does not have them. */
  async #missPictures(copies, images) {
    const hashes = new Set(copies.map(({ content }) => content.image).filter((hash) => hash && !images[hash]));
    const found = await Promise.allSettled(Array.from(hashes, (hash) => this.pictures.bytesOf(hash)));
    if (found.some(({ status }) => status === "rejected")) this.desk.say("pictureMissing");
  }
}

const first = ({ content }) => content.begin ?? content;

/** The box around a copy's points or corners, in board units; of a text that of its beginning. */
function boxOf(copy) {
  const { x, y, scale, dx = 0, dy = 0 } = first(copy);
  const places = [[x, y], [x + dx, y + dy]];
  for (const [right, down] of copy.content.points?.steps ?? []) {
    const [left, top] = places[places.length - 1];
    places.push([left + right, top + down]);
  }
  return geometry.around(places).map((side) => side / 2 ** scale);
}

/** Copies, moved so that the middle of all of them comes to a place. */
function centred(copies, [x, y]) {
  if (copies.length === 0) return copies;
  const [middleX, middleY] = geometry.middleOf(copies.map(boxOf).reduce(geometry.union));
  return copies.map((copy) => {
    const at = first(copy);
    const [dx, dy] = [x - middleX, y - middleY].map((by) => Math.round(by * 2 ** at.scale));
    const moved = { ...at, x: at.x + dx, y: at.y + dy };
    return { ...copy, content: copy.content.begin ? { ...copy.content, begin: moved } : moved };
  });
}

/** What is on the clipboard; throws where the browser does not let the page see it. */
async function seen() {
  const [item] = await navigator.clipboard.read();
  const kind = item?.types.find((type) => type.startsWith("image/"));
  if (kind) return { files: [new File([await item.getType(kind)], "pasted", { type: kind })], text: "" };
  const textOf = async (type) => (item?.types.includes(type) ? (await item.getType(type)).text() : "");
  return { files: [], text: copiesInHtml(await textOf("text/html")) ?? (await textOf("text/plain")) };
}

/** The words of elements, as other programs and fields get them, in the order in which they are painted. */
const wordsOf = (elements) => [...elements].sort(inOrder).flatMap(({ properties }) => properties.text || []).map(unbroken).join("\n");

/** Copies on the clipboard stand where no program shows them to people: behind an attribute of their words. */
function asHtml(copies, words) {
  const part = document.createElement("pre");
  part.setAttribute(COPIES, copies);
  part.textContent = words;
  return part.outerHTML;
}

/** The copies in HTML of ours. It is only parsed: nothing in it is put on the page. */
function copiesInHtml(html) {
  if (!html.includes(COPIES)) return undefined;
  return new DOMParser().parseFromString(html, "text/html").querySelector(`[${COPIES}]`)?.getAttribute(COPIES) ?? undefined;
}

/** The addresses of a list (RFC 2483 section 5), without its comments. */
const addressesIn = (list) => list.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#")).join("\n");

function isJson(text) {
  try {
    return text.trimStart().startsWith("{") && JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}

async function dataUrl(blob) {
  const reader = new FileReader();
  return new Promise((done, failed) => {
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

const encoded = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

/** An SVG that says what it was made of, so that it can be brought in again. */
function withMetadata(picture, copies) {
  return picture.replace(">\n", `>\n<metadata id="${METADATA}">${encoded(copies)}</metadata>\n`);
}

/** What an SVG of ours was made of. It is read as text: nothing in it is put on the page. */
function ownCopies(text) {
  const found = text.match(new RegExp(`<metadata id="${METADATA}">([A-Za-z0-9+/=]+)</metadata>`));
  if (!found) return undefined;
  try {
    return new TextDecoder().decode(bytesOfBase64(found[1]));
  } catch {
    return undefined;
  }
}
