// What is left of a stroke when an eraser cuts through it. Pure geometry.

import { squaredDistance } from "./ink.js";

/** A piece of ink is cut where it leaves the eraser, to this part of the eraser's reach. */
const FINENESS = 3;

/**
 * The pieces of ink outside of the way of an eraser, each `{ x, y, pressure }`; `undefined` where the way does not meet it.
 * All in the stroke's own units.
 *
 * @param {{ x: number[], y: number[], pressure: number[] }} ink
 * @param {number[][]} way two places between which the eraser moved
 * @param {number} reach how near is cut
 */
export function cut(ink, [[ax, ay], [bx, by]], reach) {
  /** @param {number[]} place */
  const isCut = ([x, y]) => squaredDistance(x, y, ax, ay, bx, by) <= reach * reach;
  const pieces = [];
  let piece = [];
  let isMet = false;
  for (const [point, isOwn] of finely(ink, reach / FINENESS)) {
    if (isCut(point)) {
      isMet = true;
      if (piece.length > 0) pieces.push(piece);
      piece = [];
    } else {
      // Between two points of the stroke only the ends of a piece are new.
      if (piece.length > 0 && !piece.at(-1).isOwn && piece.length > 1) piece.pop();
      piece.push({ point, isOwn });
    }
  }
  if (!isMet) return undefined;
  if (piece.length > 0) pieces.push(piece);
  return pieces.map((points) => inkOf(points.map(({ point }) => point)));
}

/** The points of ink, and places between them no further apart than `step`. @returns {Generator<[number[], boolean]>} */
function* finely({ x, y, pressure }, step) {
  yield [[x[0], y[0], pressure[0]], true];
  for (let at = 1; at < x.length; at++) {
    const [dx, dy, dp] = [x[at] - x[at - 1], y[at] - y[at - 1], pressure[at] - pressure[at - 1]];
    const parts = Math.min(256, Math.max(1, Math.ceil(Math.hypot(dx, dy) / step)));
    for (let part = 1; part < parts; part++) {
      const t = part / parts;
      yield [[x[at - 1] + dx * t, y[at - 1] + dy * t, pressure[at - 1] + dp * t], false];
    }
    yield [[x[at], y[at], pressure[at]], true];
  }
}

const inkOf = (points) => {
  const column = (axis) => points.map((point) => Math.round(point[axis]));
  return { x: column(0), y: column(1), pressure: column(2) };
};
