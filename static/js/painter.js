// Draws elements on a canvas, and knows where on the board each one is.

import { addDisc, addLine, addLineEnd, addOutline, curveDiscs, endDiscs } from "./ink.js";

const ARROW_HEAD = 4;
/** Discs of one piece of an outline; a longer stroke is outlined in pieces, so that growing costs the same at any length. */
const RUN = 64;

/** Board units in one unit of an element. */
export const unitOf = (element) => 2 ** -element.scale;

/** What an element is drawn from; kept from frame to frame and grown as ink comes. */
class Drawing {
  constructor(element) {
    this.path = new Path2D();
    this.count = 0;
    this.box = [Infinity, Infinity, -Infinity, -Infinity];
    this.width = element.properties.width;
    /** Discs along ink with pressure, and the one with which the piece begins that still grows. */
    this.chain = [];
    this.from = 0;
  }

  /** Whether this drawing is of an earlier state of the same ink. */
  fits(element) {
    return this.width === element.properties.width && this.count <= element.ink.x.length;
  }

  grow({ ink, pressed }) {
    const { x, y } = ink;
    for (let at = this.count; at < x.length; at++) {
      const [left, top, right, bottom] = this.box;
      this.box = [Math.min(left, x[at]), Math.min(top, y[at]), Math.max(right, x[at]), Math.max(bottom, y[at])];
    }
    if (pressed) {
      for (let at = Math.max(1, this.count - 1); at < x.length - 1; at++) {
        this.chain.push(...curveDiscs(ink, this.width, at));
      }
      this.#outline();
    } else if (this.count < x.length) {
      addLine(this.path, ink, this.count === 0 ? 0 : Math.max(1, this.count - 1));
    }
    this.count = x.length;
  }

  /** Outlines what no longer changes, in pieces that overlap by one step: edges that only touch would show as hairlines. */
  #outline() {
    while (this.chain.length > this.from + RUN + 1) {
      addOutline(this.path, this.chain, this.from, this.from + RUN);
      this.from += RUN - 1;
    }
  }

  /** The whole path, with the end that moves as ink comes. */
  whole({ ink, pressed }) {
    const whole = new Path2D(this.path);
    if (!pressed) {
      addLineEnd(whole, ink);
      return whole;
    }
    const chain = [...this.chain.slice(this.from), ...endDiscs(ink, this.width)];
    addDisc(whole, this.chain[0] ?? chain[0]);
    addOutline(whole, chain, 0, chain.length - 1);
    addDisc(whole, chain.at(-1));
    return whole;
  }
}

/** Draws elements. */
export class Painter {
  constructor() {
    /** @type {Map<string, Drawing>} */
    this.drawings = new Map();
  }

  /** Lets go of what was kept for an element, or for all. */
  forget(key) {
    if (key === undefined) this.drawings.clear();
    else this.drawings.delete(key);
  }

  #drawing(element) {
    let drawing = this.drawings.get(element.key);
    if (!drawing?.fits(element)) {
      drawing = new Drawing(element);
      this.drawings.set(element.key, drawing);
    }
    drawing.grow(element);
    return drawing;
  }

  /** Where an element is, in board units: `[left, top, right, bottom]`. */
  bounds(element) {
    const unit = unitOf(element);
    const [dx, dy] = element.properties.offset;
    const margin = element.properties.width / 2;
    const [left, top, right, bottom] = this.#box(element);
    return [(left + dx - margin) * unit, (top + dy - margin) * unit, (right + dx + margin) * unit, (bottom + dy + margin) * unit];
  }

  #box(element) {
    const { x, y, dx, dy } = element.content;
    if (element.kind === "stroke") return this.#drawing(element).box;
    if (element.kind === "text") {
      const lines = element.properties.text.split("\n");
      const size = element.properties.width;
      const longest = Math.max(...lines.map((line) => line.length));
      return [x, y, x + longest * size, y + lines.length * size * 1.25];
    }
    const head = element.content.kind === "arrow" ? element.properties.width * ARROW_HEAD : 0;
    return [Math.min(x, x + dx) - head, Math.min(y, y + dy) - head, Math.max(x, x + dx) + head, Math.max(y, y + dy) + head];
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./viewport.js").Viewport} viewport
   * @param {number} ratio device pixels per CSS pixel
   */
  draw(context, element, viewport, ratio) {
    const unit = unitOf(element);
    const scale = viewport.zoom * ratio * unit;
    const [dx, dy] = element.properties.offset;
    const pan = viewport.zoom * ratio;
    context.setTransform(scale, 0, 0, scale, dx * scale - viewport.x * pan, dy * scale - viewport.y * pan);
    if (element.kind === "stroke") this.#drawStroke(context, element);
    else if (element.kind === "shape") drawShape(context, element);
    else drawText(context, element);
  }

  #drawStroke(context, element) {
    const { colour, width } = element.properties;
    const path = this.#drawing(element).whole(element);
    if (element.pressed) {
      context.fillStyle = colour;
      context.fill(path, "nonzero");
      return;
    }
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    context.stroke(path);
  }
}

function drawShape(context, { content, properties }) {
  const { kind, x, y, dx, dy } = content;
  context.beginPath();
  if (kind === "rectangle") context.rect(x, y, dx, dy);
  else if (kind === "ellipse") {
    context.ellipse(x + dx / 2, y + dy / 2, Math.abs(dx) / 2, Math.abs(dy) / 2, 0, 0, 2 * Math.PI);
  } else {
    context.moveTo(x, y);
    context.lineTo(x + dx, y + dy);
    if (kind === "arrow") addHead(context, x + dx, y + dy, Math.atan2(dy, dx), properties.width * ARROW_HEAD);
  }
  if (kind === "rectangle" || kind === "ellipse") {
    context.fillStyle = properties.fill;
    context.fill();
  }
  context.strokeStyle = properties.colour;
  context.lineWidth = properties.width;
  context.lineCap = context.lineJoin = "round";
  context.stroke();
}

function addHead(context, x, y, direction, length) {
  for (const side of [-0.45, 0.45]) {
    context.moveTo(x, y);
    context.lineTo(x - length * Math.cos(direction + side), y - length * Math.sin(direction + side));
  }
}

function drawText(context, { content, properties }) {
  const size = properties.width;
  context.fillStyle = properties.colour;
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  properties.text.split("\n").forEach((line, at) => context.fillText(line, content.x, content.y + at * size * 1.25));
}
