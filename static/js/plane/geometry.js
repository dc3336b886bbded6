// Rectangles and affine maps: pure arithmetic. A rectangle is `[left, top, right, bottom]`, a map `[a, b, c, d, e, f]` as
// canvas and SVG write it: x' = a x + c y + e, y' = b x + d y + f.

export const NOTHING = [Infinity, Infinity, -Infinity, -Infinity];
export const IDENTITY = [1, 0, 0, 1, 0, 0];

export const union = (a, b) => [
  Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3]),
];
export const overlap = (a, b) => a[0] <= b[2] && a[2] >= b[0] && a[1] <= b[3] && a[3] >= b[1];
export const contains = (outer, inner) =>
  outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
/** @type {(box: number[]) => boolean} */
export const isEmpty = ([left, top, right, bottom]) => left > right || top > bottom;
/** @type {(box: number[], by: number) => number[]} */
export const grown = ([left, top, right, bottom], by) => [left - by, top - by, right + by, bottom + by];
/** @type {(box: number[]) => number[]} */
export const middleOf = ([left, top, right, bottom]) => [(left + right) / 2, (top + bottom) / 2];
/** @type {(box: number[]) => number[][]} */
export const cornersOf = ([left, top, right, bottom]) => [[left, top], [right, top], [right, bottom], [left, bottom]];

/** The rectangle around points. */
export function around(points) {
  return points.reduce((box, [x, y]) => union(box, [x, y, x, y]), NOTHING);
}

/** Where a map takes a place. @type {(map: number[], place: number[]) => number[]} */
export const applied = ([a, b, c, d, e, f], [x, y]) => [a * x + c * y + e, b * x + d * y + f];

/** First `inner`, then `outer`. */
export function after(outer, inner) {
  const [a, b, c, d, e, f] = outer;
  const [p, q, r, s, t, u] = inner;
  return [a * p + c * q, b * p + d * q, a * r + c * s, b * r + d * s, a * t + c * u + e, b * t + d * u + f];
}

/** The map that takes back what `map` does; `undefined` where it folds the plane. @param {number[]} map */
export function inverse(map) {
  const [a, b, c, d, e, f] = map;
  const determinant = a * d - b * c;
  if (Math.abs(determinant) < 1e-12) return undefined;
  const [p, q, r, s] = [d / determinant, -b / determinant, -c / determinant, a / determinant];
  return [p, q, r, s, -(p * e + r * f), -(q * e + s * f)];
}

/** @type {(dx: number, dy: number) => number[]} */
export const moved = (dx, dy) => [1, 0, 0, 1, dx, dy];

/** Scaled about a place. @type {(sx: number, sy: number, place: number[]) => number[]} */
export const scaled = (sx, sy, [x, y]) => [sx, 0, 0, sy, x - sx * x, y - sy * y];

/** Turned about a place, in radians. @param {number} angle @param {number[]} place */
export function turned(angle, place) {
  const [x, y] = place;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y];
}

/** Whether a place is inside a polygon, by the even-odd rule. @param {number[]} place @param {number[][]} polygon */
export function isInside(place, polygon) {
  const [x, y] = place;
  let inside = false;
  for (let at = 0, before = polygon.length - 1; at < polygon.length; before = at++) {
    const [[ax, ay], [bx, by]] = [polygon[at], polygon[before]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/**
 * How far a box moves to be on a screen, `[dx, dy]`, and clear of panels that lie on it: away from the end of the screen at which a
 * panel is. Where it does not fit, its left and upper sides are seen.
 *
 * @param {number[]} box
 * @param {number[]} screen
 * @param {number[][]} panels
 */
export function wayIntoSight([left, top, right, bottom], screen, panels) {
  const dx = Math.max(Math.min(0, screen[2] - right), screen[0] - left);
  let dy = Math.max(Math.min(0, screen[3] - bottom), screen[1] - top);
  // Clear of one panel it may be below the next.
  for (const panel of [...panels, ...panels]) {
    if (!overlap([left + dx, top + dy, right + dx, bottom + dy], panel)) continue;
    const isLow = panel[1] + panel[3] > screen[1] + screen[3];
    dy = isLow ? panel[1] - bottom : panel[3] - top;
  }
  return [dx, dy];
}
