// Elements as SVG: the same outlines that the canvas has, and byte for byte what the server writes for a board
// (server/src/export/svg.rs). Pure.

import { NOTHING, around, grown, union } from "../plane/geometry.js";
import { RUN, addLine, addLineEnd, addOutline, addOutlineEnd, curveDiscs } from "../plane/ink.js";
import * as shape from "../plane/shape.js";

/** Around everything that is drawn, in board units. */
export const MARGIN = 16;
/** The paper of a file, which is that of a light page (`--paper` of the style sheet). */
export const PAPER = "#fbfaf7";

/** A number with at most three digits behind the point. */
export const short = (value) => String(Math.floor(value * 1000 + 0.5) / 1000);

/**
 * @param {import("../board/element.js").Element[]} elements in painting order
 * @param {{ images?: Record<string, string>, area?: number[], hasPaper?: boolean }} how `images` are the bytes of pictures as
 *   data URLs; `area` is what of the board is seen, everything where it is left out
 */
export function svg(elements, { images = {}, area, hasPaper = true } = {}) {
  const boxes = elements.map(areaOf);
  const all = boxes.length > 0 ? boxes.reduce(union, NOTHING) : [0, 0, 0, 0];
  const [left, top, right, bottom] = area ?? grown(all, MARGIN);
  const [x, y, width, height] = [left, top, right - left, bottom - top].map(short);
  const paper = hasPaper ? `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${PAPER}"/>\n` : "";
  const body = elements.map((element) => drawn(element, images)).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${x} ${y} ${width} ${height}" width="${width}" height="${height}">\n${paper}${body}</svg>\n`;
}

/** Where an element is seen, in board units. */
export function areaOf(element) {
  const placement = shape.placementOf(element);
  const box = element.kind === "stroke" ? inkBox(element, placement) : shape.boxAround(element, placement, extent);
  return box.map((side) => side * shape.unitOf(element));
}

function inkBox(element, placement) {
  const { x, y } = shape.placedInk(element, placement);
  return grown(around(x.map((it, at) => [it, y[at]])), element.properties.width / 2);
}

/** About how wide and high a text is, in its units. */
function extent(text, size) {
  const lines = text.split("\n");
  return [Math.max(...lines.map((line) => Array.from(line).length)) * size, lines.length * size * shape.LINE_HEIGHT];
}

/** One element, without anything around it. */
export function drawn(element, images) {
  const { kind, content, properties } = element;
  const placement = shape.placementOf(element);
  const path = new Data();
  if (kind === "stroke") {
    const ink = shape.placedInk(element, placement);
    if (!element.pressed) {
      addLine(path, ink);
      addLineEnd(path, ink);
      return stroked(element, 'fill="none"', path);
    }
    outlined(path, ink, properties.width);
    return filled(element, properties.colour, path);
  }
  if (kind === "shape") {
    shape.addShape(path, content, properties.width, placement);
    return stroked(element, shape.hasInside(content.kind) ? paint("fill", properties.fill) : 'fill="none"', path);
  }
  if (kind === "text") return lines(element, [content.x, content.y]);
  const [x, y, dx, dy] = shape.sidesOf(element);
  if (kind === "note") {
    shape.addBox(path, [x, y, dx, dy], placement);
    const edge = shape.NOTE_EDGE * properties.width;
    return filled(element, properties.fill, path) + lines(element, [Math.min(x, x + dx) + edge, Math.min(y, y + dy) + edge]);
  }
  const data = images[content.image];
  if (data) return shown(element, [Math.min(x, x + dx), Math.min(y, y + dy), Math.abs(dx), Math.abs(dy)], data);
  shape.addBox(path, [x, y, dx, dy], placement);
  return filled(element, shape.MISSING, path);
}

/** Outlines ink with pressure, in the pieces in which it is drawn as it grows. */
function outlined(path, ink, width) {
  const chain = [];
  for (let at = 1; at < ink.x.length - 1; at++) chain.push(...curveDiscs(ink, width, at));
  let from = 0;
  while (chain.length > from + RUN + 1) {
    addOutline(path, chain, from, from + RUN);
    from += RUN - 1;
  }
  addOutlineEnd(path, chain, from, ink, width);
}

const unitOf = (element) => String(shape.unitOf(element));

const place = (element) => `transform="scale(${unitOf(element)}) matrix(${shape.mapOf(element).map(String).join(" ")})"`;

function filled(element, colour, path) {
  return `<path transform="scale(${unitOf(element)})" ${paint("fill", colour)} d="${path.text}"/>\n`;
}

function stroked(element, fill, path) {
  const { properties } = element;
  const dashes = shape.dashesOf(properties);
  const dash = dashes.length > 0 ? ` stroke-dasharray="${dashes.join(" ")}"` : "";
  const line = `stroke-width="${properties.width}" stroke-linecap="round" stroke-linejoin="round"${dash}`;
  return `<path transform="scale(${unitOf(element)})" ${fill} ${paint("stroke", properties.colour)} ${line} d="${path.text}"/>\n`;
}

function lines(element, [x, y]) {
  const { width: size, text, colour } = element.properties;
  const font = `font-family="system-ui, sans-serif" font-size="${size}" xml:space="preserve"`;
  const line = (words, at) => {
    const [left, base] = [short(x), short(y + (shape.BASE_LINE + at * shape.LINE_HEIGHT) * size)];
    return `<text ${place(element)} x="${left}" y="${base}" ${font} ${paint("fill", colour)}>${escaped(shape.directed(words))}</text>\n`;
  };
  return text.split("\n").map(line).join("");
}

function shown(element, sides, data) {
  const [x, y, width, height] = sides.map(short);
  const opacity = short(shape.opacityOf(element.properties.colour));
  const area = `x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none"`;
  return `<image ${place(element)} ${area} opacity="${opacity}" href="${data}"/>\n`;
}

/** A colour with its opacity as attributes. */
function paint(what, colour) {
  const [rgb, opacity] = [colour.slice(0, 7), shape.opacityOf(colour)];
  return opacity === 1 ? `${what}="${rgb}"` : `${what}="${rgb}" ${what}-opacity="${short(opacity)}"`;
}

/** Text as it may stand in XML 1.0: controls other than tab and line feed cannot. */
function escaped(text) {
  const letters = { "<": "&lt;", ">": "&gt;", "&": "&amp;" };
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\ufffe\uffff]/g, "\ufffd").replace(/[<>&]/g, (it) => letters[it]);
}

/** The data of an SVG path, written as a canvas path is. */
class Data {
  constructor() {
    this.text = "";
  }

  #add(command, numbers) {
    this.text += command + numbers.map(short).join(" ");
  }

  moveTo(x, y) {
    this.#add("M", [x, y]);
  }

  lineTo(x, y) {
    this.#add("L", [x, y]);
  }

  quadraticCurveTo(...numbers) {
    this.#add("Q", numbers);
  }

  bezierCurveTo(...numbers) {
    this.#add("C", numbers);
  }

  closePath() {
    if (!this.text.endsWith("Z")) this.text += "Z";
  }

  /** A whole disc, in two halves: an arc that ends where it began is none (SVG 1.1 section 8.3.8). */
  arc(x, y, radius) {
    // It begins at its edge, where the path has gone already.
    this.#add("A", [radius, radius, 0, 0, 1, x - radius, y]);
    this.#add("A", [radius, radius, 0, 0, 1, x + radius, y]);
  }
}
