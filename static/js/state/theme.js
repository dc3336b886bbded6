// Light or dark: as the device prefers, or as the person chose. And how ink looks on dark paper.

import { keep, kept } from "../device/storage.js";

const KEY = "inkwire.theme";
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** `light`, `dark`, or `undefined` for what the device prefers. */
export const chosenTheme = () => {
  const theme = kept("localStorage", KEY);
  return theme === "light" || theme === "dark" ? theme : undefined;
};

export const isDark = () => (chosenTheme() ?? (prefersDark.matches ? "dark" : "light")) === "dark";

/** @param {"light" | "dark" | undefined} theme */
export function chooseTheme(theme) {
  keep("localStorage", KEY, theme);
  show();
}

const listeners = new Set();

/** From now on `act` is called when the theme changes. */
export function onThemeChange(act) {
  listeners.add(act);
}

/** Colours of the style sheet by their names, as they were last read. @type {Map<string, string>} */
const colours = new Map();

/** Returns a colour that the style sheet has for this theme. @param {"paper" | "accent"} name */
export function themeColour(name) {
  const own = colours.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  colours.set(name, own);
  return own;
}

function show() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  colours.clear();
  // Styles are computed for the next frame anyway; asked for now, they would be computed twice while the page loads.
  requestAnimationFrame(() => document.querySelector('meta[name="theme-color"]')?.setAttribute("content", themeColour("paper")));
  for (const act of listeners) act();
}

prefersDark.addEventListener("change", show);
show();

const shown = new Map();

/** A colour as it is shown on dark paper: as light as it was dark, of the same hue. @param {string} colour "#rrggbbaa" */
export function onDark(colour) {
  if (!shown.has(colour)) {
    if (shown.size > 4096) shown.clear();
    shown.set(colour, turnedOver(colour));
  }
  return shown.get(colour);
}

function turnedOver(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [most, least] = [Math.max(r, g, b), Math.min(r, g, b)];
  const lightness = (most + least) / 2;
  // Black becomes nearly white, white the paper; what lies between changes less.
  const wanted = 0.94 - lightness * 0.82;
  const move = (part) => {
    const grey = part - lightness;
    return Math.min(1, Math.max(0, wanted + grey));
  };
  const turned = [r, g, b].map(move);
  return `#${raised(turned, leastFor(luminance([r, g, b]))).map(hex).join("")}${colour.slice(7)}`;
}

/**
 * The luminance (WCAG 2.2) with which ink is seen on dark paper, and what ink has on it at least: 3 to 1, and not less than on light
 * paper. Only ink that was hardly seen there, down to white, is hardly seen here.
 */
const SEEN = 0.132;
const leastFor = (own) => Math.min(Math.max(own, SEEN), 0.4 * (1 - own));

const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const curved = (part) => (part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055);
/** @param {number[]} parts */
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

/** A colour in bytes, with as much white in it as it needs to have a luminance. @param {number[]} parts @param {number} least */
function raised(parts, least) {
  const own = luminance(parts);
  if (own >= least) return parts.map((part) => Math.round(part * 255));
  const white = (least - own) / (1 - own);
  return parts.map((part) => Math.ceil(curved(linear(part) + white * (1 - linear(part))) * 255));
}

const hex = (byte) => byte.toString(16).padStart(2, "0");
