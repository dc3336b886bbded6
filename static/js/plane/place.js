// What stands behind the # of a link, where no server hears it: a place on the board (`#x,y,zoom`, in the middle of the screen),
// or the secret that says what whoever has it may do (`#t=…`). Pure.

import { ZOOM_MAX, ZOOM_MIN, Viewport } from "./viewport.js";

/** The part of a link that names what a screen of this size shows. @param {Viewport} viewport @param {number[]} size */
export function linkTo(viewport, [width, height]) {
  const [x, y] = viewport.toBoard([width / 2, height / 2]);
  return `#${Math.round(x)},${Math.round(y)},${Number(viewport.zoom.toPrecision(4))}`;
}

/** The part of a link that carries a secret. @param {string | undefined} token */
export const linkOf = (token) => (token ? `#t=${token}` : "");

/** Whether a part is one that carries a secret, or half of one. @param {string} hash */
export const isSecret = (hash) => hash.startsWith("#t=");

/** The secret that such a part carries; `undefined` where it carries none. @param {string} hash */
export const tokenOf = (hash) => hash.match(/^#t=([0-9a-f]{32})$/)?.[1];

/** The viewport that such a part names; `undefined` where it names none. @param {string} hash @param {number[]} size */
export function viewportOf(hash, [width, height]) {
  const found = hash.match(/^#(-?\d{1,9}),(-?\d{1,9}),(\d{1,3}(?:\.\d{1,6})?)$/);
  if (!found) return undefined;
  const [x, y, asked] = found.slice(1).map(Number);
  const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, asked));
  return new Viewport(x - width / 2 / zoom, y - height / 2 / zoom, zoom);
}
