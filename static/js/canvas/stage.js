// The canvases: finished elements below, then what no longer changes of strokes that are being drawn, and above it the rest of those.
// Repaints what changed, once a frame.

import { inOrder } from "../board/element.js";
import { SEEN, sameValue } from "../board/properties.js";
import { BoxIndex } from "../plane/boxes.js";
import { overlap, union } from "../plane/geometry.js";
import { contextOf } from "./context.js";
import { Painter } from "./painter.js";
import { Tiles } from "./tiles.js";

/** A zoom that goes on is shown by stretching; only when it rests for so many milliseconds is everything painted anew. */
const ZOOM_REST = 120;
/** After so many milliseconds without movement, work need not be shared out over frames any more. */
const REST = 200;
/** Weight of the work of one frame: while something moves at first, and otherwise. */
const PACE = 20_000;
const FULL_PACE = 300_000;
/** The same for the first picture, which nobody moves before it is there. */
const FIRST_PACE = 500_000;
const LEAST_PACE = 1_500;
/** Strokes that have ended stay above the others for so many milliseconds at most, where more are drawn all the time. */
const WET = 500;
/** A frame that took longer than so many milliseconds had too much to do. */
const LONG_FRAME = 20;

export class Stage {
  /**
   * @param {{ base: HTMLCanvasElement, wet: HTMLCanvasElement, live: HTMLCanvasElement }} canvases
   * @param {{ board: import("../board/board.js").Board }} session
   * @param {import("../plane/viewport.js").Viewport} viewport
   * @param {(hash: string) => CanvasImageSource | undefined} pictureOf
   */
  constructor({ base, wet, live }, session, viewport, pictureOf) {
    this.canvases = [base, live, wet];
    /** Of the screen, in CSS pixels. */
    this.width = 0;
    this.height = 0;
    // Without `desynchronized` the base waits for the compositor like any picture; live ink need not, where that works.
    this.base = contextOf(base);
    this.wet = contextOf(wet);
    this.live = contextOf(live, { desynchronized: true });
    /** Strokes that are on the wet canvas, with how many of their pieces; and since when some of them have ended. */
    this.wetPieces = new Map();
    this.wetEnded = undefined;
    this.session = session;
    this.viewport = viewport;
    this.painter = new Painter(pictureOf);
    /** Where each finished element is, and how it looked when it was painted. */
    this.grid = new BoxIndex();
    this.looks = new Map();
    /** Strokes that are being drawn, and how each looked. @type {Map<string, any>} */
    this.liveKeys = new Map();
    /** Elements that are seen elsewhere for a moment: `{ hidden: Set<string>, elements }`. */
    this.preview = undefined;
    /** What is drawn above everything, each given the context and the view; says whether it drew. @type {Set<Function>} */
    this.sketches = new Set();
    this.tiles = new Tiles(this.painter, (area) => this.#elementsIn(area));
    this.pace = PACE;
    /** How long the last frame took, in milliseconds. */
    this.tookMs = 0;
    /** Pixels of the device in a CSS pixel. */
    this.ratio = 1;
    this.movedAt = -Infinity;
    this.zoomedAt = -Infinity;
    /** Called behind every frame that painted something. */
    this.painted = () => {};
    this.changed = new Set();
    this.everything = true;
    /** Whether all of it is another board, and not painted yet. */
    this.isNew = true;
    /** Whether all that the screen shows is painted. */
    this.isComplete = false;
    /** Whether it is the same board at another moment, and not painted yet. */
    this.isAnotherMoment = false;
    this.#content = undefined;
    new ResizeObserver(() => this.#resize()).observe(live);
    this.#resize();
  }

  #content;

  get size() {
    return [this.width, this.height];
  }

  /** Device pixels per board unit, and where the screen's corner lies on the plane, in whole device pixels. */
  get view() {
    const scale = this.viewport.zoom * this.ratio;
    return { scale, x: Math.round(this.viewport.x * scale), y: Math.round(this.viewport.y * scale) };
  }

  /** Shows another board from now on. @param {{ board: any }} session */
  shows(session) {
    this.session = session;
    this.elementsChanged(undefined);
  }

  /** Whether the screen shows a coarse picture of the moment, where it is not sharp yet. */
  get isCoarse() {
    return this.tiles.isCoarse;
  }

  /** Shows another moment of the same board, on which some elements are different, or all where no keys are given. */
  goesTo(session, keys) {
    this.session = session;
    // What is only coarse yet is not put right by what is different.
    if (keys && !this.isCoarse) return this.elementsChanged(keys);
    this.everything = this.isAnotherMoment = true;
    return this.schedule();
  }

  #resize() {
    const canvas = this.canvases[1];
    this.ratio = devicePixelRatio || 1;
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    for (const it of this.canvases) {
      it.width = Math.max(1, Math.round(this.width * this.ratio));
      it.height = Math.max(1, Math.round(this.height * this.ratio));
    }
    // A new size empties a canvas at once, so it is painted at once.
    this.isStale = this.isMoved = this.liveChanged = true;
    this.wetPieces.clear();
    this.paint(performance.now());
  }

  setViewport(viewport) {
    const now = performance.now();
    this.movedAt = now;
    if (viewport.zoom !== this.viewport.zoom) {
      this.isZooming = now - this.zoomedAt < ZOOM_REST;
      this.zoomedAt = now;
    }
    this.viewport = viewport;
    this.isStale = this.isMoved = this.liveChanged = true;
    if (this.wetPieces.size > 0) this.#dry();
    this.schedule();
  }

  /** Elements look different; all of them where no keys are given. */
  elementsChanged(keys) {
    if (keys === undefined) {
      this.everything = true;
      this.painter.forget();
    } else {
      for (const key of keys) this.changed.add(key);
    }
    this.schedule();
  }

  /** Colours, or the letters of all, are shown in another way. */
  looksChanged() {
    this.everything = true;
    this.schedule();
  }

  /** The pixels of a picture are here. */
  pictureArrived(hash) {
    for (const element of this.session.board.visible()) {
      if (element.content.image === hash) this.#repaint(element.key);
    }
  }

  #repaint(key) {
    this.looks.delete(key);
    this.changed.add(key);
    this.schedule();
  }

  /** Shows elements in another way than the board has them, until that ends. */
  setPreview(preview) {
    const before = this.preview?.hidden ?? new Set();
    this.preview = preview;
    for (const key of preview.hidden) if (!before.has(key)) this.#repaint(key);
    for (const key of before) if (!preview.hidden.has(key)) this.#repaint(key);
    this.previewEnds = false;
    this.sketch();
  }

  /** The board has them now as they were shown: once that is painted, the preview goes. */
  endPreview() {
    if (!this.preview) return;
    for (const key of this.preview.hidden) this.#repaint(key);
    this.preview = { hidden: new Set(), elements: this.preview.elements };
    this.previewEnds = true;
  }

  /** What is above everything looks different. */
  sketch() {
    this.liveChanged = true;
    this.schedule();
  }

  schedule() {
    this.frame ??= requestAnimationFrame((now) => this.paint(now));
  }

  /** Paints what has changed since the last time. */
  paint(now) {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.#keepPace(now);
    const isComplete = this.#paintBase(now);
    if (this.previewEnds && isComplete) {
      this.preview = undefined;
      this.previewEnds = false;
      this.liveChanged = true;
    }
    this.#dryEnded(now, isComplete);
    if (this.liveChanged) this.#paintLive();
    this.painted();
  }

  /** Frames that come late had too much to do, as long as there was something to do. */
  #keepPace(now) {
    this.tookMs = now - this.lastFrame;
    if (this.hasWorked && this.tookMs < 250) {
      const by = this.tookMs > LONG_FRAME ? 0.7 : 1.15;
      this.pace = Math.min(FULL_PACE, Math.max(LEAST_PACE, this.pace * by));
    }
    this.lastFrame = now;
    this.hasWorked = false;
  }

  #paintBase(now) {
    this.#takeChanges();
    const [{ width, height }] = this.canvases;
    const { view } = this;
    if (this.isZooming && now - this.zoomedAt < ZOOM_REST && this.tiles.level.sheets.size > 0) {
      // Where a frame comes late, what is about to be painted anew need not be smooth.
      this.base.imageSmoothingEnabled &&= this.tookMs < LONG_FRAME;
      this.tiles.compose(this.base, view, width, height, true);
      this.schedule();
      return false;
    }
    this.isMoved ||= this.isZooming === true;
    this.isZooming = false;
    this.base.imageSmoothingEnabled = true;
    this.tiles.setScale(view.scale);
    if (this.isAnotherMoment && this.#paintCoarsely(now)) return false;
    // Nobody moves what is not there yet: the first picture is painted as fast as it can be.
    const isMoving = !this.isNew && (now - this.movedAt < REST || this.liveKeys.size > 0);
    const { isDone, left } = this.tiles.work(view, width, height, isMoving ? this.pace : this.isNew ? FIRST_PACE : FULL_PACE);
    if (this.isStale || !isDone) this.tiles.compose(this.base, view, width, height, this.isMoved);
    this.isMoved = false;
    this.hasWorked = left < this.pace;
    this.isStale = !isDone;
    this.isComplete = isDone;
    this.isNew &&= !isDone;
    if (!isDone) this.schedule();
    else this.#workAhead(view, width, height, isMoving ? Math.min(left, this.pace) : this.pace);
    return isDone;
  }

  /**
   * Where another moment is much to paint, a coarse picture of it comes first, so that whoever looks for a moment sees where he is;
   * what makes it sharp is shared out over frames, as while something moves. Says whether it was so.
   */
  #paintCoarsely(now) {
    this.isAnotherMoment = false;
    const [{ width, height }] = this.canvases;
    if (!this.tiles.paintCoarsely(this.view, width, height)) return false;
    this.movedAt = now;
    this.isNew = false;
    this.isStale = this.isMoved = true;
    this.isComplete = false;
    this.tiles.compose(this.base, this.view, width, height, true);
    this.schedule();
    return true;
  }

  #workAhead(view, width, height, weight) {
    const isAhead = this.tiles.workAhead(view, width, height, weight, this.contentBounds);
    if (isAhead) this.#tellSettled();
    else {
      this.hasWorked = true;
      this.schedule();
    }
  }

  #waiting = [];

  /** When everything that is seen is painted. */
  settled() {
    this.schedule();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #tellSettled() {
    if (this.previewEnds) return this.schedule();
    for (const resolve of this.#waiting.splice(0)) resolve();
    return undefined;
  }

  #takeChanges() {
    if (this.everything) this.#takeAll();
    else for (const key of this.changed) this.#take(key);
    this.changed.clear();
    this.everything = false;
  }

  #takeAll() {
    this.grid.clear();
    this.looks.clear();
    this.liveKeys.clear();
    this.#content = undefined;
    this.tiles.clear();
    for (const element of this.session.board.visible()) {
      if (element.live !== undefined) this.liveKeys.set(element.key, element.properties);
      else this.#keep(element, this.painter.bounds(element));
    }
    this.isStale = this.liveChanged = this.isNew = true;
  }

  #keep(element, box) {
    this.grid.set(element.key, box);
    this.looks.set(element.key, lookOf(element));
    if (this.#content) this.#content = union(this.#content, box);
  }

  /** Works out what one changed element means for either canvas. */
  #take(key) {
    const element = this.session.board.element(key);
    const look = this.liveKeys.get(key);
    if (this.liveKeys.delete(key)) this.liveChanged = true;
    if (this.wetPieces.has(key)) this.#endWet(key, element);
    if (!element?.visible) {
      this.painter.forget(key);
      this.#letGo(key);
    } else if (element.live !== undefined) {
      this.#letGo(key);
      this.liveKeys.set(key, element.properties);
      this.liveChanged = true;
      // What is on the wet canvas of it stays there while it only grows.
      if (look && SEEN.some((name) => !sameValue(look[name], element.properties[name]))) this.#dry();
    } else {
      this.#takeFinished(element);
    }
  }

  #letGo(key) {
    const before = this.grid.box(key);
    if (!before) return;
    this.grid.delete(key);
    this.looks.delete(key);
    this.#content = undefined;
    this.tiles.soil(before);
    this.isStale = true;
  }

  #takeFinished(element) {
    const { key } = element;
    const [before, look] = [this.grid.box(key), this.looks.get(key)];
    if (before && look && this.#looksSame(element, look, before)) return;
    const box = this.painter.bounds(element);
    this.isStale = true;
    if (before) {
      this.tiles.soil(before);
      this.tiles.soil(box);
      this.#content = undefined;
    } else if (!this.preview?.hidden.has(key)) {
      this.tiles.add(element, box);
    }
    this.#keep(element, box);
  }

  /** An own element that comes back in the log looks as it did, unless its place in painting order is another one. */
  #looksSame(element, look, box) {
    const now = lookOf(element);
    if (look.count !== now.count || SEEN.some((name) => !sameValue(look.properties[name], now.properties[name]))) return false;
    const ranks = [look.properties.rank, now.properties.rank];
    const [low, high] = [Math.min(...ranks), Math.max(...ranks)];
    const lies = ({ key, properties }) => key !== element.key && properties.rank >= low && properties.rank <= high;
    if (low !== high && this.#elementsIn(box).some(lies)) return false;
    this.looks.set(element.key, now);
    return true;
  }

  /** The finished elements that touch an area, without those that are shown elsewhere. */
  #elementsIn(area) {
    const { board } = this.session;
    const hidden = this.preview?.hidden;
    const found = [];
    for (const key of this.grid.touching(area)) {
      if (hidden?.has(key)) continue;
      const element = board.element(key);
      if (element?.visible) found.push(element);
    }
    return found;
  }

  /** The visible elements whose box touches an area of the board, topmost first. */
  elementsTouching(area) {
    this.#takeChanges();
    const live = Array.from(this.liveKeys.keys(), (key) => this.session.board.element(key));
    const all = [...this.#elementsIn(area), ...live.filter((element) => overlap(this.painter.bounds(element), area))];
    return all.sort((one, other) => inOrder(other, one));
  }

  /** A stroke that has ended is below now, and looks the same there; one that was taken back must go. */
  #endWet(key, element) {
    if (element?.live !== undefined && element.visible) return;
    this.wetEnded ??= performance.now();
    if (!element?.visible) this.#dry();
  }

  #dryEnded(now, isComplete) {
    if (this.wetEnded === undefined) return;
    const isOver = this.liveKeys.size === 0 && isComplete;
    if (isOver || now - this.wetEnded > WET) this.#dry();
    else if (!isComplete) this.schedule();
  }

  /** Clears the wet canvas: what is still drawn is painted there again. */
  #dry() {
    this.wetPieces.clear();
    this.wetEnded = undefined;
    this.liveChanged = true;
    this.wet.setTransform(1, 0, 0, 1, 0, 0);
    this.wet.clearRect(0, 0, this.canvases[2].width, this.canvases[2].height);
  }

  #paintLive() {
    const { live, view } = this;
    this.liveChanged = false;
    live.setTransform(1, 0, 0, 1, 0, 0);
    // A canvas that is touched is put on the screen anew, also where nothing is on it.
    if (this.liveIsDrawn) live.clearRect(0, 0, this.canvases[1].width, this.canvases[1].height);
    this.liveIsDrawn = this.liveKeys.size > 0 || this.preview?.elements.length > 0;
    const draw = (element) => element?.visible && this.painter.draw(live, element, view);
    for (const key of this.liveKeys.keys()) {
      if (!this.preview?.hidden.has(key)) this.#paintGrowing(this.session.board.element(key), view);
    }
    for (const element of this.preview?.elements ?? []) draw(element);
    for (const sketch of this.sketches) {
      live.setTransform(1, 0, 0, 1, 0, 0);
      if (sketch(live, view, this.ratio)) this.liveIsDrawn = true;
    }
  }

  #paintGrowing(element, view) {
    if (!element?.visible) return;
    const { key } = element;
    const pieces = this.painter.drawLive(this.wet, this.live, element, view, this.wetPieces.get(key) ?? 0);
    if (pieces > 0) this.wetPieces.set(key, pieces);
  }

  /** The bounds of everything that is painted, in board units; `undefined` on an empty board. */
  get contentBounds() {
    this.#takeChanges();
    for (const { box } of this.#content ? [] : this.grid.entries.values()) {
      this.#content = this.#content ? union(this.#content, box) : box;
    }
    const live = Array.from(this.liveKeys.keys(), (key) => this.painter.bounds(this.session.board.element(key)));
    return live.reduce((all, box) => (all ? union(all, box) : box), this.#content);
  }
}

const lookOf = ({ ink, properties }) => ({ count: ink?.x.length, properties });
