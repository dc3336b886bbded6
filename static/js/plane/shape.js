// The outlines of shapes, notes and pictures, where they are seen. Pure geometry; its twin is server/board/src/shape.rs.

import { around, cornersOf, grown } from "./geometry.js";

/** The head of an arrow, in widths of its line; and the turn of either side of it. */
const HEAD = 4;
const HEAD_TURN = 0.45;
/** The control points of a quarter of a circle of radius 1: off by 0.03 % at most. */
const QUARTER = 0.5522847498307936;

/** Of text, in sizes of its letters: the height of a line, its first base line, and what is left free at a note's edge. */
export const LINE_HEIGHT = 1.25;
export const BASE_LINE = 0.95;
export const NOTE_EDGE = 0.6;

/** A letter that is written from right to left: of the blocks that are kept for such scripts (UAX 9, table 4). */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * A line of text as it is drawn: one with letters of that kind goes in the direction of its first strong letter, because it stands in
 * an isolate that does (UAX 9, X5c), whatever stands around it.
 *
 * @param {string} line
 */
export const directed = (line) => (RIGHT_TO_LEFT.test(line) ? `\u2068${line}\u2069` : line);

/** The length of an arrow's head, for a line of some width. */
export const headLength = (width) => width * HEAD;

/** Board units in one unit of an element. */
export const unitOf = (element) => 2 ** -element.scale;

/** How much of what is below a colour hides, 0 to 1. @param {string} colour "#rrggbbaa" */
export const opacityOf = (colour) => parseInt(colour.slice(7), 16) / 255;

/** What stands for a picture that is not there. */
export const MISSING = "#ced4daff";

/** Whether a kind of shape has an inside. */
export const hasInside = (kind) => kind === "rectangle" || kind === "ellipse";

/**
 * Where the points of an element are seen, in its units. `isMoved` tells whether its offset counts.
 *
 * @returns {(place: number[]) => number[]}
 */
export function placementOf({ anchor: [ax, ay], properties: { matrix: [a, b, c, d], offset } }, isMoved = true) {
  const [ox, oy] = isMoved ? offset : [0, 0];
  return ([x, y]) => {
    const [dx, dy] = [x - ax, y - ay];
    return [ax + ox + (a * dx + c * dy), ay + oy + (b * dx + d * dy)];
  };
}

/** The same as an affine map `[a, b, c, d, e, f]`. */
export function mapOf(element, isMoved = true) {
  const [e, f] = placementOf(element, isMoved)([0, 0]);
  return [...element.properties.matrix, e, f];
}

/** Whether an element is only moved, not scaled or turned. */
export const isOnlyMoved = ({ properties: { matrix: [a, b, c, d] } }) => a === 1 && b === 0 && c === 0 && d === 1;

/** The ink of a stroke where it is seen. */
export function placedInk({ ink }, placement) {
  /** @type {number[][]} */
  const [x, y] = [[], []];
  for (let at = 0; at < ink.x.length; at++) [x[at], y[at]] = placement([ink.x[at], ink.y[at]]);
  return { x, y, pressure: ink.pressure };
}

/** Draws the line of a shape. */
export function addShape(path, { kind, x, y, dx, dy }, width, placement) {
  if (kind === "rectangle") addBox(path, [x, y, dx, dy], placement);
  else if (kind === "ellipse") addEllipse(path, [x + dx / 2, y + dy / 2], [dx / 2, dy / 2], placement);
  else {
    const [from, to] = [placement([x, y]), placement([x + dx, y + dy])];
    path.moveTo(...from);
    path.lineTo(...to);
    if (kind === "arrow") addHead(path, to, Math.atan2(to[1] - from[1], to[0] - from[0]), headLength(width));
  }
}

/** @param {any} path @param {number[]} tip */
function addHead(path, [x, y], direction, length) {
  for (const side of [direction - HEAD_TURN, direction + HEAD_TURN]) {
    path.moveTo(x, y);
    path.lineTo(x - length * Math.cos(side), y - length * Math.sin(side));
  }
}

/** Draws the box between two corners, the second given from the first. @param {any} path @param {number[]} sides */
export function addBox(path, sides, placement) {
  const [x, y, dx, dy] = sides;
  const [first, ...others] = [[x, y], [x + dx, y], [x + dx, y + dy], [x, y + dy]].map(placement);
  path.moveTo(...first);
  for (const corner of others) path.lineTo(...corner);
  path.closePath();
}

/** @param {any} path @param {number[]} middle @param {number[]} radii @param {(place: number[]) => number[]} placement */
function addEllipse(path, [x, y], [rx, ry], placement) {
  const at = (u, v) => placement([x + u * rx, y + v * ry]);
  path.moveTo(...at(1, 0));
  for (const [u, v] of [[1, 0], [0, 1], [-1, 0], [0, -1]]) {
    // A quarter turn from (u, v) to (-v, u).
    path.bezierCurveTo(...at(u - QUARTER * v, v + QUARTER * u), ...at(-v + QUARTER * u, u + QUARTER * v), ...at(-v, u));
  }
  path.closePath();
}

/** The two corners of what has them, `[x, y, dx, dy]` in its units. */
export const sidesOf = ({ content: { x, y, dx, dy } }) => [x, y, dx, dy];

/**
 * The box around what is no stroke, where it is seen, in its units. How large a text is, `extent` tells of its words and size.
 *
 * @param {any} element
 * @param {(place: number[]) => number[]} placement
 * @param {(text: string, size: number) => number[]} extent
 */
export function boxAround(element, placement, extent) {
  const { kind, content, properties: { width, text } } = element;
  const [x, y, dx, dy] = kind === "text" ? [content.x, content.y, ...extent(text, width)] : sidesOf(element);
  const margin = kind === "shape" ? width / 2 + (content.kind === "arrow" ? headLength(width) : 0) : 0;
  return grown(around(cornersOf([x, y, x + dx, y + dy]).map(placement)), margin);
}

/** With round ends a dash is a width longer, and a gap that much shorter. */
export function dashesOf({ dash, width }) {
  if (dash === "dashed") return [3 * width, 3 * width];
  return dash === "dotted" ? [0, 2 * width] : [];
}
