// The two canvases: finished elements below, strokes that are being drawn above. Repaints what changed, once a frame.

import { Painter } from "./painter.js";

/** Device pixels around an element that smoothing may touch. */
const MARGIN = 2;
/**
 * The base is painted in squares of this many device pixels, each always whole: how smooth edges come out depends a
 * little on the clip, so only then does everybody have the same pixels, whatever was painted before.
 */
const TILE = 512;
const COLUMNS = 1024;

export class Stage {
  /**
   * @param {{ base: HTMLCanvasElement, live: HTMLCanvasElement }} canvases
   * @param {{ board: import("./board/board.js").Board }} session
   * @param {import("./viewport.js").Viewport} viewport
   */
  constructor({ base, live }, session, viewport) {
    this.canvases = [base, live];
    // Without `desynchronized` the base waits for the compositor like any picture; live ink need not, where that works.
    this.base = base.getContext("2d");
    this.live = live.getContext("2d", { desynchronized: true });
    this.session = session;
    this.viewport = viewport;
    this.painter = new Painter();
    /** Where each painted element was, in board units. */
    this.painted = new Map();
    this.liveKeys = new Set();
    this.#clean();
    new ResizeObserver(() => this.#resize()).observe(live);
    this.#resize();
  }

  #clean() {
    /** Numbers of tiles that are to be painted anew. */
    this.dirty = new Set();
    this.changed = new Set();
    this.everything = false;
    this.liveChanged = false;
  }

  get size() {
    return [this.width, this.height];
  }

  #resize() {
    const canvas = this.canvases[1];
    this.ratio = devicePixelRatio || 1;
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    for (const it of this.canvases) {
      it.width = Math.max(1, Math.round(this.width * this.ratio));
      it.height = Math.max(1, Math.round(this.height * this.ratio));
    }
    this.everything = true;
    // A new size empties a canvas at once, so it is painted at once.
    this.paint();
  }

  setViewport(viewport) {
    this.viewport = viewport;
    this.everything = true;
    this.#schedule();
  }

  /** Elements look different; all of them where no keys are given. */
  elementsChanged(keys) {
    if (keys === undefined) {
      this.everything = true;
      this.painter.forget();
    } else {
      for (const key of keys) this.changed.add(key);
    }
    this.#schedule();
  }

  #schedule() {
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  /** Paints what has changed since the last time. */
  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    if (this.everything) this.#takeAll();
    else for (const key of this.changed) this.#take(key);
    this.#paintBase();
    if (this.liveChanged || this.everything) this.#paintLive();
    this.#clean();
  }

  #takeAll() {
    this.painted.clear();
    this.liveKeys.clear();
    for (const element of this.session.board.visible()) {
      if (element.live !== undefined) this.liveKeys.add(element.key);
      else this.painted.set(element.key, this.painter.bounds(element));
    }
    const [{ width, height }] = this.canvases;
    this.#soilPixels(0, 0, width, height);
  }

  /** Works out what one changed element means for either canvas. */
  #take(key) {
    const element = this.session.board.element(key);
    if (this.liveKeys.delete(key)) this.liveChanged = true;
    const before = this.painted.get(key);
    if (before) this.#soil(before);
    this.painted.delete(key);
    if (!element?.visible) {
      this.painter.forget(key);
    } else if (element.live !== undefined) {
      this.liveKeys.add(key);
      this.liveChanged = true;
    } else {
      const bounds = this.painter.bounds(element);
      this.painted.set(key, bounds);
      this.#soil(bounds);
    }
  }

  /** Marks the tiles that bounds on the board touch. */
  #soil([left, top, right, bottom]) {
    const [{ width, height }] = this.canvases;
    const [x, y] = this.viewport.toScreen([left, top]);
    const [r, b] = this.viewport.toScreen([right, bottom]);
    this.#soilPixels(
      Math.max(0, Math.floor(x * this.ratio) - MARGIN),
      Math.max(0, Math.floor(y * this.ratio) - MARGIN),
      Math.min(width, Math.ceil(r * this.ratio) + MARGIN),
      Math.min(height, Math.ceil(b * this.ratio) + MARGIN),
    );
  }

  #soilPixels(left, top, right, bottom) {
    for (let row = Math.floor(top / TILE); row * TILE < bottom; row++) {
      for (let column = Math.floor(left / TILE); column * TILE < right; column++) this.dirty.add(row * COLUMNS + column);
    }
  }

  #paintBase() {
    if (this.dirty.size === 0) return;
    const elements = this.#inOrder();
    for (const tile of this.dirty) this.#paintTile(tile, elements);
  }

  #paintTile(tile, elements) {
    const { base, ratio } = this;
    const [left, top] = [(tile % COLUMNS) * TILE, Math.floor(tile / COLUMNS) * TILE];
    base.save();
    base.setTransform(1, 0, 0, 1, 0, 0);
    base.clearRect(left, top, TILE, TILE);
    base.beginPath();
    base.rect(left, top, TILE, TILE);
    base.clip();
    const corner = (x, y) => this.viewport.toBoard([x / ratio, y / ratio]);
    const seen = [...corner(left - MARGIN, top - MARGIN), ...corner(left + TILE + MARGIN, top + TILE + MARGIN)];
    for (const element of elements) {
      const bounds = this.painted.get(element.key);
      if (bounds && overlap(bounds, seen)) this.painter.draw(base, element, this.viewport, ratio);
    }
    base.restore();
  }

  #inOrder() {
    return Array.from(this.session.board.visible()).sort((one, other) => one.seq - other.seq);
  }

  #paintLive() {
    const { live } = this;
    live.setTransform(1, 0, 0, 1, 0, 0);
    live.clearRect(0, 0, this.canvases[1].width, this.canvases[1].height);
    for (const key of this.liveKeys) {
      const element = this.session.board.element(key);
      if (element?.visible) this.painter.draw(live, element, this.viewport, this.ratio);
    }
  }

  /** The bounds of everything that is painted, in board units; `undefined` on an empty board. */
  get contentBounds() {
    const all = Array.from(this.session.board.visible(), (element) => this.painter.bounds(element));
    return all.length > 0 ? all.reduce(union) : undefined;
  }
}

const union = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
const overlap = (a, b) => a[0] <= b[2] && a[2] >= b[0] && a[1] <= b[3] && a[3] >= b[1];
