// An index of boxes on an endless plane: which of them touch an area. Boxes of like size lie together in a grid of cells
// about as large as they are, so that each is in four cells at most. Pure.

import { overlap } from "./geometry.js";

/** How many times sooner all boxes are looked through than those of as many cells, each of which lies in several. */
const PER_CELL = 8;
/** How many boxes that wait for it are put into cells with each question: opening a large board need not wait for all of them. */
const PLACED = 50;

/** @type {(box: number[]) => number} */
const levelOf = ([left, top, right, bottom]) => Math.ceil(Math.log2(Math.max(right - left, bottom - top, 1e-3)));

export class BoxIndex {
  constructor() {
    /** @type {Map<string, { box: number[], level: number | undefined }>} */
    this.entries = new Map();
    /** The keys of boxes that are in no cell yet. @type {Set<string>} */
    this.waiting = new Set();
    /** Size of a cell, as an exponent of 2, to its cells and to how many boxes it has. */
    this.levels = new Map();
  }

  get size() {
    return this.entries.size;
  }

  box(key) {
    return this.entries.get(key)?.box;
  }

  set(key, box) {
    this.delete(key);
    this.entries.set(key, { box, level: undefined });
    this.waiting.add(key);
  }

  #place(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    const level = (entry.level = levelOf(entry.box));
    if (!this.levels.has(level)) this.levels.set(level, { cells: new Map(), keys: new Set() });
    const { cells, keys } = this.levels.get(level);
    keys.add(key);
    for (const cell of cellsOf(entry.box, level)) {
      if (!cells.has(cell)) cells.set(cell, new Set());
      cells.get(cell).add(key);
    }
  }

  delete(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    if (this.waiting.delete(key)) return;
    const level = this.levels.get(entry.level);
    level.keys.delete(key);
    for (const cell of cellsOf(entry.box, entry.level)) {
      level.cells.get(cell).delete(key);
      if (level.cells.get(cell).size === 0) level.cells.delete(cell);
    }
    if (level.keys.size === 0) this.levels.delete(entry.level);
  }

  clear() {
    this.entries.clear();
    this.waiting.clear();
    this.levels.clear();
  }

  /** The keys of all boxes that touch an area. */
  touching(area) {
    this.#placeSome();
    const found = new Set();
    const look = (key) => overlap(this.box(key), area) && found.add(key);
    for (const [level, { cells, keys }] of this.levels) {
      const isSmall = cellCount(area, level) * PER_CELL < cells.size;
      const candidates = isSmall ? inCells(area, level, cells) : keys;
      for (const key of candidates) look(key);
    }
    for (const key of this.waiting) look(key);
    return found;
  }

  #placeSome() {
    let left = PLACED;
    for (const key of this.waiting) {
      if (left-- === 0) return;
      this.waiting.delete(key);
      this.#place(key);
    }
  }
}

const range = ([left, top, right, bottom], level) => {
  const size = 2 ** level;
  return [left, top, right, bottom].map((side) => Math.floor(side / size));
};

function cellCount(area, level) {
  const [left, top, right, bottom] = range(area, level);
  return (right - left + 1) * (bottom - top + 1);
}

function* cellsOf(box, level) {
  const [left, top, right, bottom] = range(box, level);
  for (let row = top; row <= bottom; row++) for (let column = left; column <= right; column++) yield `${column}:${row}`;
}

function* inCells(area, level, cells) {
  for (const cell of cellsOf(area, level)) yield* cells.get(cell) ?? [];
}
