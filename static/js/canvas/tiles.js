// Finished elements as pixels: squares of a plane that stays where it is while the screen moves over it, at one scale at a
// time. Whatever was painted before, a tile has the same pixels for everybody who looks at the board at that scale.

import { inOrder } from "../board/element.js";
import { contextAside } from "./context.js";

/** Device pixels on a side of a tile. */
const TILE = 512;
/** Device pixels around an element that smoothing may touch. */
const MARGIN = 2;
/** Tiles that are kept for when the screen comes back to them. */
const KEPT = 96;
/** Device pixels on the longer side of the overview. */
const OVERVIEW = 1024;
/** Of more weight than this a coarse picture is painted first, of which one pixel stands for so many in a row. */
const HEAVY = 150_000;
const COARSE = 4;
/** A canvas onto which elements are painted one after the other, in as many steps as it takes. */
class Sheet {
  constructor(painter, view, width, height) {
    this.painter = painter;
    this.view = view;
    this.width = width;
    this.height = height;
    /** @type {OffscreenCanvas | undefined} */
    this.canvas = undefined;
    /** The view that the canvas shows; only the overview is shown while another one is being painted. */
    this.shows = undefined;
    this.isReady = false;
    /** Whether nothing is on its canvas. */
    this.isBlank = true;
    /** Whether the screen shows it as it is now. */
    this.isShown = false;
    /** Elements that are still to be painted, from `at` on; `undefined` if nothing is being done. @type {any[] | undefined} */
    this.todo = undefined;
    this.at = 0;
    /** @type {OffscreenCanvasRenderingContext2D | undefined} */
    this.next = undefined;
    /** The last one in painting order that is on it. */
    this.top = undefined;
  }

  /** The part of the board that it shows. */
  get area() {
    const { scale, x, y } = this.view;
    return [(x - MARGIN) / scale, (y - MARGIN) / scale, (x + this.width + MARGIN) / scale, (y + this.height + MARGIN) / scale];
  }

  /** Begins to paint all of some elements; until that is done it looks as it did. */
  begin(elements) {
    this.todo = elements.sort(inOrder);
    this.at = 0;
    this.next = contextAside(new OffscreenCanvas(this.width, this.height));
    this.top = undefined;
  }

  /** Paints for about so much weight, and gives back what is left of it. */
  work(weight) {
    const { todo, next } = this;
    if (!todo || !next) return weight;
    while (this.at < todo.length && weight > 0) {
      const element = todo[this.at++];
      this.painter.draw(next, element, this.view);
      weight -= this.painter.weightOf(element, this.view);
      this.top = element;
    }
    if (this.at === todo.length) {
      this.context = next;
      this.canvas = next.canvas;
      this.todo = this.next = undefined;
      this.isReady = true;
      this.isShown = false;
      this.isBlank = this.top === undefined;
    }
    return weight;
  }

  /** Paints one more element, where it comes last in painting order; says whether that could be. */
  add(element) {
    const last = this.todo?.at(-1) ?? this.top;
    if (last && inOrder(last, element) > 0) return false;
    if (this.todo) this.todo.push(element);
    else if (this.isReady) this.painter.draw(this.context, element, this.view);
    else return false;
    this.isShown = this.isBlank = false;
    if (!this.todo) this.top = element;
    return true;
  }

  soil() {
    this.isReady = false;
    this.todo = undefined;
  }
}

/** All tiles of one scale. */
class Level {
  constructor(scale) {
    this.scale = scale;
    /** @type {Map<string, Sheet>} */
    this.sheets = new Map();
    /** Whether it is a coarse picture of the whole screen, and no tiles. */
    this.isCoarse = false;
  }
}

export class Tiles {
  /**
   * @param {import("./painter.js").Painter} painter
   * @param {(area: number[]) => import("../board/element.js").Element[]} elementsIn the elements that touch an area of the board
   */
  constructor(painter, elementsIn) {
    this.painter = painter;
    this.elementsIn = elementsIn;
    this.level = new Level(1);
    /** The level before, which stands in until there is enough of the new one. */
    this.before = undefined;
    /** @type {Sheet | undefined} */
    this.overview = undefined;
    this.isOverviewStale = true;
    /** Whether the screen was last given something that stands in. */
    this.hadHoles = true;
  }

  /** Looks at another scale from now on. */
  setScale(scale) {
    if (scale === this.level.scale) return;
    // Where nothing is painted yet, the one before that has more to show.
    if (this.level.sheets.size > 0) this.before ??= this.level;
    this.level = new Level(scale);
  }

  /** Everything looks different. */
  clear() {
    for (const sheet of this.level.sheets.values()) sheet.soil();
    this.before = undefined;
    this.isOverviewStale = true;
  }

  /**
   * Puts a coarse picture of what a screen shows in the place of all that is painted, until tiles are there anew. Says whether that
   * was worth it.
   */
  paintCoarsely(view, width, height) {
    const { scale, x, y } = view;
    const coarse = { scale: scale / COARSE, x: x / COARSE, y: y / COARSE };
    const sheet = new Sheet(this.painter, coarse, Math.ceil(width / COARSE), Math.ceil(height / COARSE));
    const elements = this.elementsIn(sheet.area);
    const weight = elements.reduce((all, element) => all + this.painter.weightOf(element, view), 0);
    if (weight < HEAVY) return false;
    sheet.begin(elements);
    sheet.work(Infinity);
    this.level = new Level(scale);
    this.before = new Level(coarse.scale);
    this.before.sheets.set("", sheet);
    this.before.isCoarse = true;
    return true;
  }

  /** Whether a coarse picture stands in. */
  get isCoarse() {
    return this.before?.isCoarse === true;
  }

  /** What an area shows is different. */
  soil(area) {
    // Without the coarse picture there would be nothing, until tiles are there.
    if (!this.isCoarse) this.before = undefined;
    this.isOverviewStale = true;
    for (const sheet of this.#touched(area)) sheet.soil();
  }

  /** An element is new, and most likely above all others. */
  add(element, box) {
    for (const sheet of this.#touched(box)) if (!sheet.add(element)) sheet.soil();
    const { overview } = this;
    if (!overview || this.isOverviewStale) return;
    const [left, top, right, bottom] = overview.area;
    const isOutside = box[0] < left || box[1] < top || box[2] > right || box[3] > bottom;
    if (isOutside || !overview.add(element)) this.isOverviewStale = true;
  }

  *#touched([left, top, right, bottom]) {
    const { scale, sheets } = this.level;
    const at = (side, margin) => Math.floor((side * scale + margin) / TILE);
    const [from, to] = [[at(left, -MARGIN), at(top, -MARGIN)], [at(right, MARGIN), at(bottom, MARGIN)]];
    if ((to[0] - from[0] + 1) * (to[1] - from[1] + 1) > sheets.size) {
      for (const sheet of sheets.values()) {
        const [column, row] = [sheet.view.x / TILE, sheet.view.y / TILE];
        if (column >= from[0] && column <= to[0] && row >= from[1] && row <= to[1]) yield sheet;
      }
      return;
    }
    for (let row = from[1]; row <= to[1]; row++) {
      for (let column = from[0]; column <= to[0]; column++) {
        const sheet = sheets.get(`${column}:${row}`);
        if (sheet) yield sheet;
      }
    }
  }

  /** The tiles that a screen shows, nearest to its middle first; those that were not there are made. */
  #seen({ x, y }, width, height, around = 0) {
    const { scale, sheets } = this.level;
    const [left, top] = [Math.floor(x / TILE) - around, Math.floor(y / TILE) - around];
    const [right, bottom] = [Math.floor((x + width - 1) / TILE) + around, Math.floor((y + height - 1) / TILE) + around];
    const seen = [];
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const name = `${column}:${row}`;
        const sheet = sheets.get(name) ?? new Sheet(this.painter, { scale, x: column * TILE, y: row * TILE }, TILE, TILE);
        // The one used last is the last one to go.
        sheets.delete(name);
        sheets.set(name, sheet);
        seen.push(sheet);
      }
    }
    const far = ({ view }) => Math.hypot(view.x + TILE / 2 - x - width / 2, view.y + TILE / 2 - y - height / 2);
    return seen.sort((one, other) => far(one) - far(other));
  }

  /**
   * Paints what a screen shows, for about so much weight. Gives back whether all of it is there now.
   *
   * @param {{ x: number, y: number }} view the screen's corner on the plane, in device pixels
   */
  work(view, width, height, weight) {
    const seen = this.#seen(view, width, height);
    const left = this.#paint(seen, weight);
    this.#letGo(seen.length);
    const isDone = seen.every((sheet) => sheet.isReady);
    if (isDone) this.before = undefined;
    return { isDone, left };
  }

  #paint(sheets, weight) {
    for (const sheet of sheets) {
      if (sheet.isReady) continue;
      if (weight <= 0) return 0;
      if (!sheet.todo) sheet.begin(this.elementsIn(sheet.area));
      weight = sheet.work(weight);
    }
    return weight;
  }

  /** Paints what the screen may show next, and the overview; gives back whether there is nothing left to do. */
  workAhead(view, width, height, weight, content) {
    const ahead = this.#seen(view, width, height, 1);
    weight = this.#paint(ahead, weight);
    if (weight > 0 && content) weight = this.#paintOverview(content, weight);
    return weight > 0;
  }

  #paintOverview(content, weight) {
    if (!this.isOverviewStale && !this.overview?.todo) return weight;
    if (this.isOverviewStale) {
      const [left, top, right, bottom] = content;
      const scale = Math.min(1, OVERVIEW / Math.max(right - left, bottom - top, 1));
      const [width, height] = [Math.ceil((right - left) * scale) + 2, Math.ceil((bottom - top) * scale) + 2];
      const sheet = new Sheet(this.painter, { scale, x: left * scale - 1, y: top * scale - 1 }, width, height);
      // Until the new one is there, the old one stays.
      Object.assign(sheet, { canvas: this.overview?.canvas, shows: this.overview?.shows });
      this.overview = sheet;
      this.isOverviewStale = false;
      sheet.begin(this.elementsIn(sheet.area));
    }
    const overview = /** @type {Sheet} */ (this.overview);
    const rest = overview.work(weight);
    if (overview.isReady) overview.shows = overview.view;
    return rest;
  }

  #letGo(seen) {
    const { sheets } = this.level;
    for (const name of sheets.keys()) {
      if (sheets.size <= seen * 3 + KEPT) return;
      sheets.delete(name);
    }
  }

  /**
   * Puts on a canvas what a screen shows.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {{ scale: number, x: number, y: number }} view
   * @param {boolean} isMoved whether the screen shows another part than the last time; otherwise only what changed is put there
   */
  compose(context, view, width, height, isMoved) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    const isExact = this.level.scale === view.scale;
    const seen = isExact ? this.#seen(view, width, height) : [];
    const hasHoles = !isExact || seen.some(({ canvas }) => !canvas);
    const isWhole = isMoved || hasHoles || this.hadHoles;
    this.hadHoles = hasHoles;
    if (isWhole) context.clearRect(0, 0, width, height);
    if (hasHoles) this.#standIn(context, view, isExact ? this.before : (this.before ?? this.level));
    for (const sheet of seen) {
      const { canvas, view: { x, y } } = sheet;
      if (!canvas || (sheet.isShown && !isWhole)) continue;
      if (hasHoles || !isWhole) context.clearRect(x - view.x, y - view.y, TILE, TILE);
      if (!sheet.isBlank) context.drawImage(canvas, x - view.x, y - view.y);
      sheet.isShown = true;
    }
  }

  /** What there is of another scale, and under it the overview: not sharp, but at the right place. */
  #standIn(context, view, level) {
    const sheets = Array.from(level?.sheets.values() ?? []).filter(({ canvas }) => canvas);
    const { width, height } = context.canvas;
    const covered = sheets.map((sheet) => areaOn(context.canvas, sheet.canvas, sheet.view, view)).reduce((sum, area) => sum + area, 0);
    // Tiles of one level do not overlap: where they cover the screen, nothing shows from below.
    const coversAll = covered >= width * height;
    if (!coversAll && this.overview?.canvas && this.overview.shows) {
      stretch(context, this.overview.canvas, this.overview.shows, view);
    }
    for (const { canvas, view: own } of sheets) stretch(context, canvas, own, view, !coversAll);
  }
}

/** Where a canvas that shows the board at one view belongs in another one: `[x, y, width, height]`. */
function placeOf(canvas, from, to) {
  const factor = to.scale / from.scale;
  const side = (start, length, offset) => {
    const begin = Math.round(start * factor - offset);
    return [begin, Math.round((start + length) * factor - offset) - begin];
  };
  const [x, width] = side(from.x, canvas.width, to.x);
  const [y, height] = side(from.y, canvas.height, to.y);
  return [x, y, width, height];
}

/** How many pixels of a screen that covers. */
function areaOn(screen, canvas, from, to) {
  const [x, y, width, height] = placeOf(canvas, from, to);
  const across = Math.min(screen.width, x + width) - Math.max(0, x);
  const down = Math.min(screen.height, y + height) - Math.max(0, y);
  return Math.max(0, across) * Math.max(0, down);
}

/** Draws a canvas that shows the board at one view where it belongs in another one. */
function stretch(context, canvas, from, to, replaces = false) {
  const [x, y, width, height] = placeOf(canvas, from, to);
  if (x >= context.canvas.width || y >= context.canvas.height || x + width <= 0 || y + height <= 0) return;
  if (replaces) context.clearRect(x, y, width, height);
  context.drawImage(canvas, x, y, width, height);
}

