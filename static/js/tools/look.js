// How what tools draw looks, from the chosen style. Pure.

import { WIDTH } from "../protocol/limits.js";

const hex = (share) => Math.round(share * 255).toString(16).padStart(2, "0");

/** A colour as the protocol has it, "#rrggbbaa". */
export const withOpacity = (colour, opacity) => `${colour.slice(0, 7)}${hex(opacity)}`;

/** How much broader than a pen a highlighter is. */
export const BROADER = 5;

/** How much of the line's colour a light inside has. */
const LIGHT = 0.25;

/** The colour inside a shape. */
export function fillOf({ colour, fill, opacity }) {
  if (fill === "none") return "#00000000";
  return withOpacity(colour, fill === "light" ? opacity * LIGHT : opacity);
}

/** A length in CSS pixels at a zoom, in units of a scale, as a width may be. */
export const widthIn = (length, scale, zoom) =>
  Math.min(WIDTH, Math.max(1, Math.round((length * 2 ** scale) / zoom)));

/** A place of the board in units of a scale. @type {(place: number[], scale: number) => number[]} */
export const placeIn = ([x, y], scale) => [Math.round(x * 2 ** scale), Math.round(y * 2 ** scale)];

const DARK_INK = "#1c1c28ff";
const LIGHT_INK = "#ffffffff";

/** The ink that is read on paper of a colour, by its luma (ITU-R BT.601). */
export function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? DARK_INK : LIGHT_INK;
}
