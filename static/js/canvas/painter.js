// Draws elements on a canvas, and knows where on the board each one is seen.

import { sameValue } from "../board/properties.js";
import { NOTHING } from "../plane/geometry.js";
import { RUN, addLine, addLineEnd, addLinePart, addOutline, addOutlineEnd, addThinned, curveDiscs, meanRadius } from "../plane/ink.js";
import * as shape from "../plane/shape.js";

export const FONT = "system-ui, sans-serif";
/** Device pixels up to which ink with pressure is a line of its mean width, and between two of its points then. */
const HAIRLINE = 1.5;
/** What an element costs beside its points, when work is shared out over frames; and how many points of a hairline cost as much as one. */
const WEIGHT = 24;
const HAIRLINE_SAVES = 4;
const APART = 1.5;

/** What ink is drawn from; kept from frame to frame and grown as ink comes. */
class Drawing {
  constructor({ properties }) {
    this.path = new Path2D();
    this.count = 0;
    this.width = properties.width;
    this.matrix = properties.matrix;
    /** What no longer changes, in pieces that can be painted once while the rest grows. @type {Path2D[]} */
    this.pieces = [];
    /** Discs along ink with pressure, and the disc or point with which the piece begins that still grows. */
    this.chain = [];
    this.from = 0;
    this.finished = undefined;
  }

  /** Whether this drawing is of an earlier state of the same ink. */
  fits({ properties, ink }) {
    return this.width === properties.width && this.count <= ink.x.length && sameValue(this.matrix, properties.matrix);
  }

  grow(ink, pressed) {
    const { x } = ink;
    if (this.count === x.length) return;
    if (pressed) {
      for (let at = Math.max(1, this.count - 1); at < x.length - 1; at++) {
        this.chain.push(...curveDiscs(ink, this.width, at));
      }
      this.#outline();
    } else {
      addLine(this.path, ink, this.count === 0 ? 0 : Math.max(1, this.count - 1));
      this.#settleLine(ink);
    }
    this.count = x.length;
    this.finished = undefined;
  }

  /** Outlines what no longer changes, in pieces that overlap by one step: edges that only touch would show as hairlines. */
  #outline() {
    while (this.chain.length > this.from + RUN + 1) {
      const piece = new Path2D();
      addOutline(piece, this.chain, this.from, this.from + RUN);
      this.path.addPath(piece);
      this.pieces.push(piece);
      this.from += RUN - 1;
    }
  }

  #settleLine(ink) {
    while (ink.x.length > this.from + RUN + 1) {
      const piece = new Path2D();
      addLinePart(piece, ink, this.from, this.from + RUN);
      this.pieces.push(piece);
      this.from += RUN;
    }
  }

  /** What still changes as ink comes, beside the pieces. */
  tail(ink, pressed) {
    const tail = new Path2D();
    if (!pressed && this.from === 0) addLine(tail, ink);
    else if (!pressed) addLinePart(tail, ink, this.from, ink.x.length - 1);
    this.#end(tail, ink, pressed);
    return tail;
  }

  /** The whole path, with the end that moves as ink comes. */
  whole(ink, pressed) {
    if (!this.finished) {
      this.finished = new Path2D(this.path);
      this.#end(this.finished, ink, pressed);
    }
    return this.finished;
  }

  #end(path, ink, pressed) {
    if (pressed) addOutlineEnd(path, this.chain, this.from, ink, this.width);
    else addLineEnd(path, ink);
  }
}

const isHairline = (element, { scale }) =>
  element.pressed === true && element.properties.width * shape.unitOf(element) * scale <= HAIRLINE;

/** How wide letters are, on a canvas of its own that is never seen. */
let ruler;
export function textExtent(text, size) {
  ruler ??= new OffscreenCanvas(1, 1).getContext("2d");
  // Measured large: hinting would count otherwise.
  ruler.font = `100px ${FONT}`;
  const lines = text.split("\n");
  const widest = Math.max(...lines.map((line) => ruler.measureText(shape.directed(line)).width));
  return [(widest / 100) * size, lines.length * size * shape.LINE_HEIGHT];
}

/** Draws elements. */
export class Painter {
  /** @param {(hash: string) => CanvasImageSource | undefined} pictureOf the pixels of a picture, once they are here */
  constructor(pictureOf = () => undefined) {
    this.pictureOf = pictureOf;
    /** Colours as they are shown: a dark page shows dark ink light. @type {(colour: string) => string} */
    this.shown = (colour) => colour;
    /** @type {Map<string, Drawing>} */
    this.drawings = new Map();
    /** Where elements are, by their key, with what that follows from. */
    this.boxes = new Map();
  }

  /** Lets go of what was kept for an element, or for all. */
  forget(key) {
    if (key === undefined) {
      this.drawings.clear();
      this.boxes.clear();
    } else {
      this.drawings.delete(key);
      this.boxes.delete(key);
    }
  }

  #path(element) {
    const { key, pressed } = element;
    const known = this.drawings.get(key);
    if (known?.finished && known.count === element.ink.x.length && known.fits(element)) return known.finished;
    const ink = inkOf(element);
    const drawing = this.#grown(element, ink);
    const path = drawing.whole(ink, pressed);
    // It grows no more; ten thousand chains of discs are much to remember for nothing.
    if (element.live === undefined) drawing.chain = [];
    return path;
  }

  #grown(element, ink) {
    let drawing = this.drawings.get(element.key);
    if (!drawing?.fits(element)) {
      drawing = new Drawing(element);
      this.drawings.set(element.key, drawing);
    }
    drawing.grow(ink, element.pressed);
    return drawing;
  }

  /**
   * Draws a stroke that grows: what no longer changes of it, from a piece on, onto one canvas, and the rest onto another. Gives
   * back how many pieces there are. What shines through must not be drawn in pieces: then everything is the rest.
   */
  drawLive(settled, live, element, view, from) {
    const { kind, properties: { colour, dash } } = element;
    if (kind !== "stroke" || !colour.endsWith("ff") || dash !== "solid") {
      this.draw(live, element, view);
      return 0;
    }
    const ink = inkOf(element);
    const drawing = this.#grown(element, ink);
    if (from < drawing.pieces.length) this.#place(settled, element, view);
    for (const piece of drawing.pieces.slice(from)) this.#drawInk(settled, element, piece);
    this.#place(live, element, view);
    this.#drawInk(live, element, drawing.tail(ink, element.pressed));
    return drawing.pieces.length;
  }

  /** What drawing an element costs, in points of ink. */
  weightOf(element, view) {
    const points = element.ink?.x.length ?? 0;
    return WEIGHT + (isHairline(element, view) ? points / HAIRLINE_SAVES : points);
  }

  /** Where an element is seen, in board units: `[left, top, right, bottom]`. */
  bounds(element) {
    const unit = shape.unitOf(element);
    const [dx, dy] = element.properties.offset;
    const [left, top, right, bottom] = this.#box(element);
    return [(left + dx) * unit, (top + dy) * unit, (right + dx) * unit, (bottom + dy) * unit];
  }

  /** The box around an element without its offset, in its units. */
  #box(element) {
    const { key, properties, kind } = element;
    const known = this.boxes.get(key);
    const count = element.ink?.x.length ?? 0;
    const { width, matrix, text } = properties;
    if (known && known.width === width && known.text === text && sameValue(known.matrix, matrix)) {
      if (known.count === count) return known.box;
      if (kind === "stroke" && known.count < count && shape.isOnlyMoved(element)) {
        known.box = grownBy(element.ink, known.box, known.count, width / 2);
        known.count = count;
        return known.box;
      }
    }
    const box = this.#measured(element);
    this.boxes.set(key, { width, matrix, text, count, box });
    return box;
  }

  #measured(element) {
    if (element.kind === "stroke") return grownBy(inkOf(element), NOTHING, 0, element.properties.width / 2);
    return shape.boxAround(element, shape.placementOf(element, false), textExtent);
  }

  /**
   * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
   * @param {{ scale: number, x: number, y: number }} view device pixels per board unit, and where on the canvas's plane its
   *   own corner lies, in device pixels
   */
  draw(context, element, view) {
    this.#place(context, element, view);
    if (isHairline(element, view)) this.#drawHairline(context, element, view);
    else if (element.kind === "stroke") this.#drawInk(context, element, this.#path(element));
    else if (element.kind === "shape") this.#drawShape(context, element);
    else if (element.kind === "text") this.#drawText(context, element, [element.content.x, element.content.y], this.shown);
    else if (element.kind === "note") this.#drawNote(context, element);
    else this.#drawPicture(context, element);
  }

  #place(context, element, { scale, x, y }) {
    const s = scale * shape.unitOf(element);
    const [dx, dy] = element.properties.offset;
    context.setTransform(s, 0, 0, s, dx * s - x, dy * s - y);
  }

  #drawInk(context, element, path) {
    if (!element.pressed) return this.#stroke(context, element, path);
    context.fillStyle = this.shown(element.properties.colour);
    return context.fill(path, "nonzero");
  }

  #drawHairline(context, element, { scale }) {
    const { properties, ink: { pressure } } = element;
    context.beginPath();
    addThinned(context, inkOf(element), APART / (scale * shape.unitOf(element)));
    context.strokeStyle = this.shown(properties.colour);
    context.lineWidth = 2 * meanRadius(properties.width, pressure);
    context.lineCap = "round";
    context.lineJoin = "bevel";
    context.stroke();
  }

  #stroke(context, { properties }, path) {
    context.strokeStyle = this.shown(properties.colour);
    context.lineWidth = properties.width;
    context.lineCap = context.lineJoin = "round";
    const isBroken = properties.dash !== "solid";
    if (isBroken) context.setLineDash(shape.dashesOf(properties));
    context.stroke(path);
    if (isBroken) context.setLineDash([]);
  }

  #drawShape(context, element) {
    const { content, properties } = element;
    const path = new Path2D();
    shape.addShape(path, content, properties.width, shape.placementOf(element, false));
    if (shape.hasInside(content.kind)) this.#fill(context, this.shown(properties.fill), path);
    this.#stroke(context, element, path);
  }

  #fill(context, colour, path) {
    context.fillStyle = colour;
    context.fill(path);
  }

  #drawBox(context, element, colour) {
    const path = new Path2D();
    shape.addBox(path, shape.sidesOf(element), shape.placementOf(element, false));
    this.#fill(context, colour, path);
  }

  #drawText(context, element, [x, y], shown) {
    const { width: size, text, colour } = element.properties;
    if (!shape.isOnlyMoved(element)) context.transform(...shape.mapOf(element, false));
    context.fillStyle = shown(colour);
    context.font = `${size}px ${FONT}`;
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.direction = "ltr";
    text.split("\n").forEach((line, at) => {
      context.fillText(shape.directed(line), x, y + (shape.BASE_LINE + at * shape.LINE_HEIGHT) * size);
    });
  }

  #drawNote(context, element) {
    const { fill, width } = element.properties;
    this.#drawBox(context, element, fill);
    const [x, y, dx, dy] = shape.sidesOf(element);
    const edge = shape.NOTE_EDGE * width;
    // A note brings its own paper: what is written on it was chosen for that.
    this.#drawText(context, element, [Math.min(x, x + dx) + edge, Math.min(y, y + dy) + edge], (colour) => colour);
  }

  #drawPicture(context, element) {
    const pixels = this.pictureOf(element.content.image);
    if (!pixels) return this.#drawBox(context, element, shape.MISSING);
    const [x, y, dx, dy] = shape.sidesOf(element);
    if (!shape.isOnlyMoved(element)) context.transform(...shape.mapOf(element, false));
    context.globalAlpha = shape.opacityOf(element.properties.colour);
    context.imageSmoothingQuality = "high";
    context.drawImage(pixels, Math.min(x, x + dx), Math.min(y, y + dy), Math.abs(dx), Math.abs(dy));
    context.globalAlpha = 1;
    return undefined;
  }
}

/** The ink of a stroke, scaled and turned but not moved. */
const inkOf = (element) =>
  shape.isOnlyMoved(element) ? element.ink : shape.placedInk(element, shape.placementOf(element, false));

/** A box that takes in more ink, from one point on. */
function grownBy({ x, y }, box, from, margin) {
  let [left, top, right, bottom] = box;
  for (let at = from; at < x.length; at++) {
    if (x[at] - margin < left) left = x[at] - margin;
    if (y[at] - margin < top) top = y[at] - margin;
    if (x[at] + margin > right) right = x[at] + margin;
    if (y[at] + margin > bottom) bottom = y[at] + margin;
  }
  return [left, top, right, bottom];
}
