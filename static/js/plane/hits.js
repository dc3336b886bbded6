// What a place, a box or a lasso selects, and what becomes of an element that is moved, scaled or turned. Pure.

import { fixed } from "../board/properties.js";
import { MATRIX_ONE } from "../protocol/limits.js";
import * as geometry from "./geometry.js";
import { touches } from "./ink.js";
import { hasInside, isOnlyMoved, mapOf, opacityOf, placedInk, placementOf, sidesOf, unitOf } from "./shape.js";

/**
 * Whether an element is at a place of the board, give or take `reach` board units.
 *
 * @param {any} element
 * @param {number[]} at
 * @param {number} reach
 * @param {number[]} bounds where it is seen
 */
export function isAt(element, at, reach, bounds) {
  const [x, y] = at;
  const [left, top, right, bottom] = geometry.grown(bounds, reach);
  if (x < left || x > right || y < top || y > bottom) return false;
  const unit = unitOf(element);
  const place = [x / unit, y / unit];
  if (element.kind === "stroke") return touchesInk(element, place, reach / unit);
  if (element.kind === "shape") return touchesShape(element, place, reach / unit);
  return element.kind === "text" ? true : geometry.isInside(place, cornersOf(element));
}

/** @param {any} element @param {number[]} place @param {number} reach */
function touchesInk(element, [x, y], reach) {
  const { ink, properties: { width, offset: [dx, dy] } } = element;
  if (isOnlyMoved(element)) return touches(ink, width / 2, [x - dx, y - dy], reach);
  return touches(placedInk(element, placementOf(element)), width / 2, [x, y], reach);
}

/** The outline of what has two corners, as a polygon, in its units. */
function cornersOf(element) {
  const [x, y, dx, dy] = sidesOf(element);
  return [[x, y], [x + dx, y], [x + dx, y + dy], [x, y + dy]].map(placementOf(element));
}

/** The box that was dragged out for an element, in board units: that around it without the line that makes it larger. @param {any} element @param {number[]} bounds */
export function drawnBox(element, bounds) {
  if (element.kind !== "shape") return bounds;
  const unit = unitOf(element);
  return geometry.around(cornersOf(element).map(([x, y]) => [x * unit, y * unit]));
}

const isFilled = ({ content, properties }) => hasInside(content.kind) && opacityOf(properties.fill) > 0;

function outlineOf(element) {
  const { kind } = element.content;
  const placement = placementOf(element);
  const [x, y, dx, dy] = sidesOf(element);
  if (kind === "rectangle") return cornersOf(element);
  if (kind !== "ellipse") return [placement([x, y]), placement([x + dx, y + dy])];
  const at = (turn) => [x + (dx / 2) * (1 + Math.cos(turn)), y + (dy / 2) * (1 + Math.sin(turn))];
  return Array.from({ length: 32 }, (_, part) => placement(at((part * Math.PI) / 16)));
}

function touchesShape(element, place, reach) {
  const outline = outlineOf(element);
  if (isFilled(element) && geometry.isInside(place, outline)) return true;
  const closed = hasInside(element.content.kind) ? [...outline, outline[0]] : outline;
  const line = { x: closed.map(([x]) => x), y: closed.map(([, y]) => y) };
  return touches(line, element.properties.width / 2, place, reach);
}

/** Places of an element by which a lasso or a line meets it, in board units. */
function tracesOf(element, bounds) {
  const unit = unitOf(element);
  if (element.kind === "stroke") {
    const { x, y } = placedInk(element, placementOf(element));
    return x.map((it, at) => [it * unit, y[at] * unit]);
  }
  if (element.kind === "text") return geometry.cornersOf(bounds);
  const outline = element.kind === "shape" ? outlineOf(element) : cornersOf(element);
  return outline.map(([x, y]) => [x * unit, y * unit]);
}

/** Whether a lasso, a polygon on the board, takes in most of an element. */
export function isInLasso(element, bounds, lasso) {
  const traces = tracesOf(element, bounds);
  const inside = traces.filter((place) => geometry.isInside(place, lasso)).length;
  return inside * 2 > traces.length;
}

/** How an element is seen behind a map of the board: its new properties. @param {any} element @param {number[]} map */
export function mappedProperties(element, map) {
  const [a, b, c, d, e, f] = map;
  const unit = unitOf(element);
  const { anchor: [ax, ay], properties: { offset: [ox, oy], matrix } } = element;
  const [x, y] = geometry.applied([a, b, c, d, e / unit, f / unit], [ax + ox, ay + oy]);
  const [p, q, r, s] = geometry.after([a, b, c, d, 0, 0], [...matrix, 0, 0]);
  const offset = [Math.round(x - ax), Math.round(y - ay)];
  return { offset, matrix: fixed([p, q, r, s]).map((entry) => entry / MATRIX_ONE) };
}

/** The same element as a map of the board shows it. */
export function previewed(element, map) {
  const properties = { ...element.properties, ...mappedProperties(element, map) };
  return element.with({ key: `preview ${element.key}`, properties });
}

/**
 * The properties to patch so that an element is seen behind a map of the board. What it has already, as it is `now`, is left out.
 */
export function patchesFor(element, map, now = element) {
  const { offset: [x, y], matrix: [a, b, c, d] } = mappedProperties(element, map);
  const { offset, matrix } = now.properties;
  const patches = [];
  if (x !== offset[0] || y !== offset[1]) patches.push({ name: "offset", x, y });
  if ([a, b, c, d].some((entry, at) => entry !== matrix[at])) {
    const [pa, pb, pc, pd] = fixed([a, b, c, d]);
    patches.push({ name: "matrix", a: pa, b: pb, c: pc, d: pd });
  }
  return patches;
}

/** The place of the board in an element's own coordinates, before it was moved, scaled or turned. @param {any} element @param {number[]} at */
export function ownPlace(element, at) {
  const [x, y] = at;
  const back = geometry.inverse(mapOf(element));
  const unit = unitOf(element);
  return back && geometry.applied(back, [x / unit, y / unit]);
}

/** Whether it can only be scaled as it is, because it would look distorted otherwise. */
export const keepsShape = ({ kind }) => kind === "text" || kind === "note" || kind === "picture";
