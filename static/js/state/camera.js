// The camera: what is seen of the board, and every way to move it.

import { keep, kept } from "../device/storage.js";
import { grown, wayIntoSight } from "../plane/geometry.js";
import { linkTo, viewportOf } from "../plane/place.js";
import { Viewport } from "../plane/viewport.js";
import { Fact } from "./facts.js";

const KEY = "inkwire.view";
/** Bars that cover the board, and CSS pixels between them and the caret. */
const PANELS = "#bar > *, #beside > *, #toolbar";
const BESIDE_CARET = 16;
/** CSS pixels around an element to which one goes. */
const AROUND_ELEMENT = 120;

export class Camera {
  /**
   * @param {{ size: number[], contentBounds: number[] | undefined, viewport: Viewport }} stage its size is in CSS pixels, the rest in board units
   * @param {() => void} taken called if the person moves the board, and nothing else does
   */
  constructor(stage, taken) {
    this.stage = stage;
    this.taken = taken;
    /** What is seen. */
    this.view = new Fact(stage.viewport);
    /** Whether it was moved: until then all of the board is shown. */
    this.hasMoved = false;
  }

  get viewport() {
    return this.view.value;
  }

  /** @param {Viewport} viewport */
  see(viewport) {
    this.hasMoved = true;
    this.view.set(viewport);
  }

  /** The person moves the board. @param {Viewport} viewport */
  moveTo(viewport) {
    this.taken();
    this.see(viewport);
  }

  /** Puts a place of the board in the middle of the screen. @param {number[]} place */
  goTo([x, y], zoom = this.viewport.zoom) {
    const [width, height] = this.stage.size;
    this.moveTo(new Viewport(x - width / 2 / zoom, y - height / 2 / zoom, zoom));
  }

  /** Shows a box of the board. @param {number[]} box @param {number} [margin] in CSS pixels */
  fit(box, margin) {
    this.moveTo(Viewport.around(box, this.stage.size, margin));
  }

  /** Shows a box and what is around it. @param {number[]} box */
  fitElement(box) {
    this.fit(box, AROUND_ELEMENT);
  }

  /** Shows all that is drawn. */
  fitAll() {
    const bounds = this.stage.contentBounds;
    if (bounds) this.fit(bounds);
    else this.moveTo(new Viewport());
  }

  /** A newcomer sees all that is drawn, if the screen does not show it anyway. */
  showAll() {
    this.hasMoved = true;
    const bounds = this.stage.contentBounds;
    if (!bounds) return;
    const [left, top, right, bottom] = this.viewport.bounds(this.stage.size);
    const isSeen = bounds[0] >= left && bounds[1] >= top && bounds[2] <= right && bounds[3] <= bottom;
    if (!isSeen) this.fitAll();
  }

  /** Zooms by a factor around a place of the screen, which is its middle if none is given. @param {number} factor @param {number[]} [place] */
  zoom(factor, place = this.stage.size.map((side) => side / 2)) {
    this.moveTo(this.viewport.zoomed(factor, place));
  }

  /** @param {number} zoom CSS pixels in a board unit */
  zoomTo(zoom) {
    this.zoom(zoom / this.viewport.zoom);
  }

  /** @param {number} dx @param {number} dy in CSS pixels */
  pan(dx, dy) {
    this.moveTo(this.viewport.panned(dx, dy));
  }

  /** Two fingers moved. @param {number[][]} before @param {number[][]} after */
  pinch(before, after) {
    this.moveTo(this.viewport.pinched(before, after));
  }

  /** Moves the board so that a box of the screen is seen: within what a keyboard leaves of it, and below no panel. @param {number[]} box */
  bringIntoSight(box) {
    const sides = ({ left, top, right, bottom }) => [left, top, right, bottom];
    const { offsetLeft, offsetTop, width, height } = /** @type {VisualViewport} */ (visualViewport);
    const screen = sides(new DOMRect(offsetLeft, offsetTop, width, height));
    const panels = Array.from(document.querySelectorAll(PANELS), (it) => sides(it.getBoundingClientRect()));
    const [dx, dy] = wayIntoSight(grown(box, BESIDE_CARET), screen, panels.filter(([left, , right]) => right > left));
    if (Math.abs(dx) + Math.abs(dy) >= 1) this.pan(dx, dy);
  }

  /** Goes to where this tab was, if it is only loaded again, or to where a link points. @param {string} boardName */
  comeBack(boardName) {
    const [navigation] = performance.getEntriesByType("navigation");
    const isReload = /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.type === "reload";
    if (!isReload && this.goToLink()) return;
    const view = kept("sessionStorage", KEY);
    const numbers = [view?.x, view?.y, view?.zoom];
    if (view?.board === boardName && numbers.every(Number.isFinite)) this.see(new Viewport(...numbers));
    else this.goToLink();
  }

  /** Goes to where the address points; returns whether it points anywhere. */
  goToLink() {
    const viewport = viewportOf(location.hash, this.stage.size);
    if (viewport) this.see(viewport);
    return viewport !== undefined;
  }

  /** The end of an address that points here. */
  get link() {
    return linkTo(this.viewport, this.stage.size);
  }

  /** Keeps where this tab is. @param {string} boardName */
  keep(boardName) {
    const { x, y, zoom } = this.viewport;
    keep("sessionStorage", KEY, { board: boardName, x, y, zoom });
  }
}
