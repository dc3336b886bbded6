// The boards that were opened in this browser, each with a small picture of it.

import { keep, kept } from "./storage.js";

const KEY = "inkwire.boards";
/** So many are remembered, with pictures of so many pixels. */
const MOST = 24;
export const THUMBNAIL = [240, 160];

/** @typedef {{ name: string, at: number, picture?: string }} Opened a board, when it was last open, and what it looked like */

/** The boards, the one that was open last first. @returns {Opened[]} */
export function openedBoards() {
  const list = kept("localStorage", KEY);
  const isOne = (it) => /^[A-Za-z0-9_-]{1,64}$/.test(it?.name) && Number.isFinite(it.at);
  const isPicture = (it) => typeof it.picture === "string" && it.picture.startsWith("data:image/");
  const all = Array.isArray(list) ? list.filter(isOne) : [];
  return all.map((it) => ({ name: it.name, at: it.at, picture: isPicture(it) ? it.picture : undefined }));
}

/** Remembers that a board is open. */
export function rememberBoard(name, picture, at = Date.now()) {
  const others = openedBoards();
  const before = others.find((it) => it.name === name);
  const all = [{ name, at, picture: picture ?? before?.picture }, ...others.filter((it) => it.name !== name)].slice(0, MOST);
  // Where there is no room for all pictures, the older ones go.
  for (let pictured = all.length; pictured >= 0; pictured = Math.floor(pictured / 2) || pictured - 1) {
    const list = all.map((it, place) => (place < pictured ? it : { name: it.name, at: it.at }));
    if (keep("localStorage", KEY, list)) return;
  }
}

export function forgetBoard(name) {
  keep("localStorage", KEY, openedBoards().filter((it) => it.name !== name));
}
