// The shape of ink: from the points of a stroke to a smooth outline. Pure geometry; the same points always give the
// same outline, in whatever chunks they came. Its twin is server/board/src/ink.rs; server/board/ink.json holds both.

/** Part of the full width that ink has at no pressure at all. */
const LEAST_PRESSURE = 0.15;
/** How far straight pieces may be from the curve, in units: a sixteenth of a pixel at the zoom of pen-down. */
const FLATNESS = 0.5;
const MOST_PIECES = 24;
/** The cosine of a turn that gets a round corner: 50 degrees. */
const SHARP = 0.64;

/** The half width at a pressure of 0 to 255. */
export function radius(width, pressed, pressure) {
  const share = pressed ? LEAST_PRESSURE + (1 - LEAST_PRESSURE) * (pressure / 255) : 1;
  return (width / 2) * share;
}

/** Writes a line through those points of a stroke that are so far apart into a path, in the units of its points. */
export function addThinned(path, { x, y }, apart) {
  const last = x.length - 1;
  path.moveTo(x[0], y[0]);
  let at = 0;
  for (let next = 1; next < last; next++) {
    const [dx, dy] = [x[next] - x[at], y[next] - y[at]];
    if (dx * dx + dy * dy < apart * apart) continue;
    path.lineTo(x[next], y[next]);
    at = next;
  }
  // A dot: a line of no length gets its round cap only where it has a direction.
  path.lineTo(x[last] + (last === 0 ? 0.01 : 0), y[last]);
}

/** The half width of a stroke with pressure, on average. @param {number} width @param {number[]} pressures */
export function meanRadius(width, pressures) {
  let sum = 0;
  for (let at = 0; at < pressures.length; at++) sum += pressures[at];
  return radius(width, true, sum / pressures.length);
}

/**
 * Writes the middle line of a stroke into a path: through the middles of its segments, with the points as the controls
 * of quadratic curves. `from` is the point to go on from, for a path that grows; gives back where it now stands.
 *
 * @param {{ moveTo: Function, lineTo: Function, quadraticCurveTo: Function }} path
 * @param {{ x: number[], y: number[] }} ink
 */
export function addLine(path, { x, y }, from = 0) {
  if (from === 0) {
    path.moveTo(x[0], y[0]);
    // A dot: a line of no length gets its round cap only where it has a direction.
    path.lineTo(x[0] + 0.01, y[0]);
  }
  const last = x.length - 1;
  for (let at = Math.max(1, from); at < last; at++) {
    path.quadraticCurveTo(x[at], y[at], (x[at] + x[at + 1]) / 2, (y[at] + y[at + 1]) / 2);
  }
  return Math.max(last, 0);
}

/** Writes a part of the middle line into a path of its own: from the middle before one point to the middle before another. */
export function addLinePart(path, { x, y }, from, to) {
  if (from === 0) path.moveTo(x[0], y[0]);
  else path.moveTo((x[from - 1] + x[from]) / 2, (y[from - 1] + y[from]) / 2);
  for (let at = Math.max(1, from); at < to; at++) {
    path.quadraticCurveTo(x[at], y[at], (x[at] + x[at + 1]) / 2, (y[at] + y[at + 1]) / 2);
  }
}

/** The end of the middle line, which moves with every new point: a path of its own. */
export function addLineEnd(path, { x, y }) {
  const last = x.length - 1;
  if (last < 1) return;
  if (last === 1) path.moveTo(x[0], y[0]);
  else path.moveTo((x[last - 1] + x[last]) / 2, (y[last - 1] + y[last]) / 2);
  path.lineTo(x[last], y[last]);
}

/** Discs of one piece of an outline; a longer stroke is outlined in pieces, so that growing costs the same at any length. */
export const RUN = 64;

const disc = (ink, width, at) => [ink.x[at], ink.y[at], radius(width, true, ink.pressure[at])];
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2];

/**
 * The discs `[x, y, radius]` that a stroke gains when the point after `at` is known, `at` from 1: along the curve from the
 * middle before the point to the middle behind it. Before the first curve there is the first point itself.
 */
export function curveDiscs(ink, width, at) {
  const [before, control, after] = [disc(ink, width, at - 1), disc(ink, width, at), disc(ink, width, at + 1)];
  const [start, end] = [middle(before, control), middle(control, after)];
  const discs = at === 1 ? [before, start] : [];
  // A quadratic curve is nowhere further from its pieces than this bend, over the square of their number.
  const bend = length(start[0] - 2 * control[0] + end[0], start[1] - 2 * control[1] + end[1]) / 4;
  const pieces = Math.min(MOST_PIECES, Math.max(1, Math.ceil(Math.sqrt(bend / FLATNESS))));
  for (let piece = 1; piece < pieces; piece++) {
    const t = piece / pieces;
    const [a, b, c] = [(1 - t) ** 2, 2 * t * (1 - t), t ** 2];
    const on = (axis) => a * start[axis] + b * control[axis] + c * end[axis];
    discs.push([on(0), on(1), on(2)]);
  }
  discs.push(end);
  return discs;
}

/** The discs from the last middle to the last point, which move with every new point. */
export function endDiscs(ink, width) {
  const last = ink.x.length - 1;
  const end = disc(ink, width, last);
  return last === 1 ? [disc(ink, width, 0), end] : [end];
}

/**
 * Writes the outline around the discs `from` to `to` of a chain into a path: forth along one side and back along the
 * other. Where the chain turns sharply, or so tightly that a side would run backwards, it goes on with a new piece behind
 * a disc. Every piece turns the same way, so filling by the non-zero rule gives their union, without holes where a stroke
 * crosses itself.
 *
 * @param {{ moveTo: Function, lineTo: Function, arc: Function, closePath: Function }} path
 */
export function addOutline(path, chain, from, to) {
  let piece = [];
  let next = from < to ? direction(chain[from], chain[from + 1]) : undefined;
  for (let at = from; at < to; at++) {
    const step = next;
    next = at + 2 < chain.length ? direction(chain[at + 1], chain[at + 2]) : undefined;
    if (!step) continue;
    if (piece.length === 0) {
      piece.push(sides(chain[at], at > from ? step : (around(chain, at) ?? step)));
    }
    const isSharp = next && step[0] * next[0] + step[1] * next[1] < SHARP;
    const end = sides(chain[at + 1], isSharp ? step : (around(chain, at + 1) ?? step));
    if (runsBackwards(piece.at(-1), end, step)) {
      addPiece(path, piece);
      addCapsule(path, chain[at], chain[at + 1], step);
      piece = [];
    } else {
      piece.push(end);
      if (isSharp) {
        addPiece(path, piece);
        addDisc(path, chain[at + 1]);
        piece = [];
      }
    }
  }
  addPiece(path, piece);
}

/** Writes the outline of what is behind all whole pieces, from a disc of the chain to the last point, with both round ends. */
export function addOutlineEnd(path, chain, from, ink, width) {
  const rest = [...chain.slice(from), ...endDiscs(ink, width)];
  addDisc(path, chain[0] ?? rest[0]);
  addOutline(path, rest, 0, rest.length - 1);
  addDisc(path, rest.at(-1));
}

/** Writes a disc into a path: the round ends of a stroke. */
export function addDisc(path, disc) {
  const [x, y, r] = disc;
  path.moveTo(x + r, y);
  path.arc(x, y, r, 0, 2 * Math.PI);
  path.closePath();
}

/** Not `Math.hypot`: that is slower, and leaves its last digit open, where this one is the same in every language (IEEE 754). */
const length = (x, y) => Math.sqrt(x * x + y * y);

/** The unit vector from one disc to another; nothing where they lie on each other. */
function direction([ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const far = length(dx, dy);
  return far > 1e-9 ? [dx / far, dy / far] : undefined;
}

/** The direction of the chain at a disc: from the one before to the one behind. */
function around(chain, at) {
  return direction(chain[Math.max(0, at - 1)], chain[Math.min(chain.length - 1, at + 1)]);
}

/** The points of a disc on either side of a direction. @type {(disc: number[], step: number[]) => number[][]} */
function sides([x, y, r], [dx, dy]) {
  return [[x + dy * r, y - dx * r], [x - dy * r, y + dx * r]];
}

/** @type {(from: number[][], to: number[][], step: number[]) => boolean} */
function runsBackwards([left, right], [nextLeft, nextRight], [dx, dy]) {
  const goes = (a, b) => (b[0] - a[0]) * dx + (b[1] - a[1]) * dy;
  return goes(left, nextLeft) <= 0 || goes(right, nextRight) <= 0;
}

function addPiece(path, piece) {
  if (piece.length < 2) return;
  path.moveTo(piece[0][0][0], piece[0][0][1]);
  for (let at = 1; at < piece.length; at++) path.lineTo(piece[at][0][0], piece[at][0][1]);
  for (let at = piece.length - 1; at >= 0; at--) path.lineTo(piece[at][1][0], piece[at][1][1]);
  path.closePath();
}

function addCapsule(path, one, other, step) {
  addDisc(path, one);
  addDisc(path, other);
  addPiece(path, [sides(one, step), sides(other, step)]);
}

/** Whether a point of the board lies on a stroke, give or take `reach`; all in the stroke's units. */
export function touches({ x, y }, halfWidth, [px, py], reach) {
  const near = (halfWidth + reach) ** 2;
  if (x.length === 1) return (px - x[0]) ** 2 + (py - y[0]) ** 2 <= near;
  for (let at = 1; at < x.length; at++) {
    if (squaredDistance(px, py, x[at - 1], y[at - 1], x[at], y[at]) <= near) return true;
  }
  return false;
}

/** The square of the distance of a point from a segment. */
export function squaredDistance(px, py, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = dx || dy ? Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy))) : 0;
  return (px - ax - along * dx) ** 2 + (py - ay - along * dy) ** 2;
}
