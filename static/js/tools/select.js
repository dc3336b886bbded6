// Selecting: a tap takes what is there, a drag moves it, a drag from an empty place takes what is in a box or a lasso. With
// Shift more is added; a handle of the frame scales or turns. Twice on a text changes it.

import { Gesture, patch } from "../board/gesture.js";
import * as geometry from "../plane/geometry.js";
import { drawnBox, isInLasso, keepsShape, patchesFor, previewed } from "../plane/hits.js";

const REACH = 6;
/** CSS pixels that a pointer moves before a tap becomes a drag. */
const SLACK = 3;
const EVEN_TURN = Math.PI / 12;
/** Moving so few elements is shown to others as it goes on, every so many milliseconds. */
const SHARED = 16;
const SHARED_EVERY = 80;

export const select = { name: "select", key: "v", cursor: "default", keepsSelection: true, needsPen: false, start: (context, sample) => start(context, sample, sample.alt ? "lasso" : "box") };
export const lasso = { name: "lasso", key: "q", keepsSelection: true, needsPen: false, start: (context, sample) => start(context, sample, sample.alt ? "box" : "lasso") };

function start(context, sample, how) {
  const handle = context.selection.handleAt([sample.x, sample.y], sample.isTouch);
  if (handle) return new Transforming(context, sample, handle);
  const here = context.elementsAt(sample.x, sample.y, REACH);
  const found = here.find(({ properties }) => !properties.locked);
  if (!found) return context.selection.isInside([sample.x, sample.y]) && !sample.shift ? new Transforming(context, sample, "move") : new Enclosing(context, sample, how, here[0]);
  if (sample.count > 1 && (found.kind === "text" || found.kind === "note")) return rewriting(context, found);
  const keys = context.selection.groupOf(found);
  if (sample.shift) {
    context.selection.toggle(keys);
    return idle;
  }
  if (!context.selection.has(found.key)) context.selection.set(keys);
  return new Transforming(context, sample, "move", found);
}

const idle = { move() {}, end() {}, cancel() {} };
const rewriting = (context, element) => ({ ...idle, end: () => context.rewrite(element) });

/** Draws a box or a lasso around what is to be selected; a tap on what is locked offers to unlock it. */
class Enclosing {
  constructor(context, sample, how, locked) {
    this.context = context;
    this.how = how;
    this.locked = locked;
    this.from = [sample.x, sample.y];
    this.places = [context.viewport.toBoard([sample.x, sample.y])];
    this.before = sample.shift ? context.selection.keys : new Set();
    context.selection.set(this.before);
  }

  move(samples) {
    const { x, y } = samples.at(-1);
    if (Math.hypot(x - this.from[0], y - this.from[1]) > SLACK) this.locked = undefined;
    const places = samples.map(({ x, y }) => this.context.viewport.toBoard([x, y]));
    if (this.how === "lasso") this.places.push(...places);
    else this.places = [this.places[0], places.at(-1)];
    const outline = this.how === "lasso" ? this.places : geometry.cornersOf(geometry.around(this.places));
    this.context.showOutline({ places: outline });
    this.context.selection.set(new Set([...this.before, ...this.#found()]));
  }

  #found() {
    const { context } = this;
    const box = geometry.around(this.places);
    const found = context.elementsIn(box).filter((element) => {
      if (element.properties.locked || context.session.isBeingDrawn(element)) return false;
      const bounds = context.boundsOf(element);
      return this.how === "lasso" ? isInLasso(element, bounds, this.places) : geometry.contains(box, bounds);
    });
    return found.flatMap((element) => Array.from(context.selection.groupOf(element)));
  }

  end() {
    this.context.showOutline(undefined);
    if (this.locked) this.context.offerUnlock(this.locked);
  }

  cancel() {
    this.context.showOutline(undefined);
    this.context.selection.set(this.before);
  }
}

/** Moves, scales or turns what is selected. */
class Transforming {
  constructor(context, sample, handle, tapped) {
    this.context = context;
    this.handle = handle;
    this.tapped = tapped;
    this.from = [sample.x, sample.y];
    this.start = context.viewport.toBoard(this.from);
    this.elements = context.selection.elements;
    this.box = context.selection.box;
    this.map = geometry.IDENTITY;
    /** The box that all of it was dragged out in; worked out where it snaps. @type {number[] | undefined} */
    this.drawn = undefined;
    this.isDragged = false;
    this.gesture = new Gesture(context);
    this.sharedAt = 0;
  }

  move(samples) {
    const sample = samples.at(-1);
    const way = Math.hypot(sample.x - this.from[0], sample.y - this.from[1]);
    this.isDragged ||= way > SLACK;
    if (!this.isDragged) return;
    this.map = this.#mapTo(sample);
    // What somebody deletes meanwhile is not dragged any more.
    this.elements = this.elements.filter(({ key }) => this.context.session.board.element(key)?.visible);
    const hidden = new Set(this.elements.map(({ key }) => key));
    this.context.showPreview({ hidden, elements: this.elements.map((element) => previewed(element, this.map)) });
    this.context.selection.setMap(this.map);
    if (this.elements.length <= SHARED && sample.time - this.sharedAt > SHARED_EVERY) {
      this.sharedAt = sample.time;
      this.#apply();
    }
  }

  #mapTo(sample) {
    const place = this.context.viewport.toBoard([sample.x, sample.y]);
    if (this.handle === "move") return this.#movedTo(place, sample.shift);
    const middle = geometry.middleOf(this.box);
    if (this.handle === "turn") return turnedTo(this.start, place, middle, sample.shift);
    return this.#scaledTo(this.context.snap(place), sample);
  }

  #movedTo([x, y], isStraight) {
    let [dx, dy] = [x - this.start[0], y - this.start[1]];
    if (isStraight) [dx, dy] = Math.abs(dx) > Math.abs(dy) ? [dx, 0] : [0, dy];
    if (this.context.gridStep === undefined) return geometry.moved(dx, dy);
    // The corner of what is moved goes to the grid, not the pointer: where it would have been drawn, without the line around it.
    const boxes = () => this.elements.map((element) => drawnBox(element, this.context.boundsOf(element)));
    const [left, top] = (this.drawn ??= boxes().reduce(geometry.union, geometry.NOTHING));
    const [snapX, snapY] = this.context.snap([left + dx, top + dy]);
    return geometry.moved(snapX - left, snapY - top);
  }

  #scaledTo([x, y], { shift, alt }) {
    const [left, top, right, bottom] = this.box;
    const [isWest, isEast] = [this.handle.includes("w"), this.handle.includes("e")];
    const [isNorth, isSouth] = [this.handle.includes("n"), this.handle.includes("s")];
    const fixed = alt ? geometry.middleOf(this.box) : [isWest ? right : left, isNorth ? bottom : top];
    const ratio = (to, edge, from) => (Math.abs(edge - from) < 1e-9 ? 1 : (to - from) / (edge - from));
    let sx = isWest || isEast ? ratio(x, isWest ? left : right, fixed[0]) : 1;
    let sy = isNorth || isSouth ? ratio(y, isNorth ? top : bottom, fixed[1]) : 1;
    if (shift || this.elements.some(keepsShape)) {
      const isCorner = (isWest || isEast) && (isNorth || isSouth);
      const by = isCorner ? Math.max(Math.abs(sx), Math.abs(sy)) : isWest || isEast ? sx : sy;
      [sx, sy] = [by, by];
    }
    const some = (by) => (Math.abs(by) < 0.01 ? 0.01 : by);
    return geometry.scaled(some(sx), some(sy), fixed);
  }

  #apply() {
    for (const element of this.elements) {
      const now = this.context.session.board.element(element.key);
      if (!now?.visible) continue;
      // As it is now: some of the way may be there already, and what was dragged back is where it was.
      for (const property of patchesFor(element, this.map, now)) patch(this.gesture, now, property);
    }
  }

  end() {
    if (this.isDragged) this.#apply();
    else if (this.tapped) this.context.selection.set(this.context.selection.groupOf(this.tapped));
    else if (this.handle === "move") this.context.selection.clear();
    this.context.selection.setMap(undefined);
    this.context.endPreview();
  }

  cancel() {
    this.gesture.takeBack();
    this.context.selection.setMap(undefined);
    this.context.endPreview();
  }
}

function turnedTo(from, to, middle, isEven) {
  const angle = ([x, y]) => Math.atan2(y - middle[1], x - middle[0]);
  const by = angle(to) - angle(from);
  return geometry.turned(isEven ? Math.round(by / EVEN_TURN) * EVEN_TURN : by, middle);
}
