// What is selected on this page, and the frame around it with its handles.

import * as geometry from "../plane/geometry.js";
import { themeColour } from "../state/theme.js";

/** CSS pixels: of a handle, around it for a finger, of the frame's distance from what it holds, and of the turning handle's. */
const HANDLE = 9;
const REACH = 8;
const TOUCH_REACH = 18;
const DISTANCE = 5;
const TURN_DISTANCE = 26;
/** Handles lie so far apart at least, or the frame could not be grasped any more. */
const SMALLEST = 24;
const HANDLES = {
  nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5],
};

/** What the selection asks and tells. */
export class SelectionDelegate {
  selectionChanged() {}
}

export class Selection {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {{ board: import("../board/board.js").Board }} session
   * @param {SelectionDelegate} delegate
   */
  constructor(stage, session, delegate) {
    this.stage = stage;
    this.session = session;
    this.delegate = delegate;
    /** @type {Set<string>} */
    this.keys = new Set();
    this.map = undefined;
    stage.sketches.add((context, view, ratio) => this.#draw(context, ratio));
  }

  get isEmpty() {
    return this.keys.size === 0;
  }

  has(key) {
    return this.keys.has(key);
  }

  set(keys) {
    const isSame = keys.size === this.keys.size && Array.from(keys).every((key) => this.keys.has(key));
    if (isSame) return;
    this.keys = new Set(keys);
    this.#changed();
  }

  clear() {
    this.set(new Set());
  }

  /** Adds elements, or takes them out where all are in. */
  toggle(keys) {
    const all = new Set(this.keys);
    const areIn = Array.from(keys).every((key) => all.has(key));
    for (const key of keys) {
      if (areIn) all.delete(key);
      else all.add(key);
    }
    this.set(all);
  }

  #changed() {
    this.#box = undefined;
    this.stage.sketch();
    this.delegate.selectionChanged();
  }

  /** Some elements look different: what is gone, or locked by somebody, is not selected any more. */
  elementsChanged(keys) {
    if (this.isEmpty) return;
    if (keys && !Array.from(this.keys).some((key) => keys.has(key))) return;
    const left = Array.from(this.keys).filter((key) => isFree(this.session.board.element(key)));
    if (left.length < this.keys.size) this.set(new Set(left));
    else this.#changed();
  }

  /** What is selected, as it is now: later changes of the board do not change these. */
  get elements() {
    const found = Array.from(this.keys, (key) => this.session.board.element(key)).filter((element) => element?.visible);
    return found.map((element) => element.with());
  }

  /** The box around it, in board units. */
  get box() {
    // The frame asks in every frame that is painted.
    this.#box ??= this.elements.map((element) => this.stage.painter.bounds(element)).reduce(geometry.union, geometry.NOTHING);
    return this.#box;
  }

  #box;

  /** The elements that are selected together with one. @returns {Set<string>} */
  groupOf({ key, properties: { group } }) {
    if (!group) return new Set([key]);
    const keys = new Set();
    for (const element of this.session.board.visible()) {
      const { properties } = element;
      if (properties.group === group && !properties.locked) keys.add(element.key);
    }
    return keys;
  }

  /** The frame is shown as a map of the board has it, until that is none. */
  setMap(map) {
    this.map = map;
    this.stage.sketch();
  }

  /** The corners of the frame on the screen, in CSS pixels. */
  #corners(box = this.box) {
    const { viewport } = this.stage;
    return geometry.cornersOf(box).map((corner) => viewport.toScreen(this.map ? geometry.applied(this.map, corner) : corner));
  }

  /** Places of the handles on the screen. For a finger what is thin has fewer of them, or it could not be grasped itself. */
  #handles(isTouch = false) {
    const [left, top, right, bottom] = geometry.grown(geometry.around(this.#corners()), DISTANCE);
    const [width, height] = [right - left, bottom - top];
    const [isNarrow, isLow] = [width < 2 * SMALLEST, height < 2 * SMALLEST];
    const isThin = isTouch && (isNarrow || isLow);
    const handles = new Map();
    for (const [name, [x, y]] of Object.entries(HANDLES)) {
      const isInTheWay = (x === 0.5 && (isNarrow || isThin)) || (y === 0.5 && (isLow || isThin));
      if (!isInTheWay) handles.set(name, [left + x * width, top + y * height]);
    }
    handles.set("turn", [left + width / 2, top - TURN_DISTANCE]);
    return handles;
  }

  /** The name of the handle at a place of the screen. */
  handleAt([x, y], isTouch = false) {
    if (this.isEmpty) return undefined;
    const reach = isTouch ? TOUCH_REACH : REACH;
    let [nearest, best] = [reach, undefined];
    for (const [name, place] of this.#handles(isTouch)) {
      const far = Math.hypot(place[0] - x, place[1] - y);
      if (far <= nearest) [nearest, best] = [far, name];
    }
    return best;
  }

  /** Whether a place of the screen is inside the frame. */
  isInside(place) {
    return !this.isEmpty && geometry.isInside(place, this.#corners());
  }

  #draw(context, ratio) {
    if (this.isEmpty) return false;
    const box = this.box;
    if (geometry.isEmpty(box)) return false;
    context.scale(ratio, ratio);
    context.strokeStyle = themeColour("accent");
    context.lineWidth = 1.25;
    outline(context, this.#corners(box));
    context.stroke();
    if (!this.map) this.#drawHandles(context);
    return true;
  }

  #drawHandles(context) {
    context.fillStyle = "#fff";
    for (const [name, [x, y]] of this.#handles()) {
      context.beginPath();
      if (name === "turn") context.arc(x, y, HANDLE / 2 + 1, 0, 2 * Math.PI);
      else context.rect(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE);
      context.fill();
      context.stroke();
    }
  }
}

/** @param {import("../board/element.js").Element | undefined} element */
const isFree = (element) => element !== undefined && element.visible && !element.properties.locked;

function outline(context, places) {
  context.beginPath();
  places.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.closePath();
}

/** What is being enclosed by a box or a lasso, for the stage to draw. */
export function outlineSketch(places) {
  return (context, view, ratio) => {
    if (places.current.length === 0) return false;
    context.fillStyle = `${themeColour("accent")}18`;
    context.strokeStyle = themeColour("accent");
    context.lineWidth = ratio;
    outline(context, places.current.map(([x, y]) => [x * view.scale - view.x, y * view.scale - view.y]));
    context.fill();
    context.stroke();
    return true;
  };
}
