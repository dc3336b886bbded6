// Which part of the board is seen, and how large: pure arithmetic between board units and CSS pixels.

import { SCALE_MAX, SCALE_MIN } from "../protocol/limits.js";

export const ZOOM_MIN = 1 / 32;
export const ZOOM_MAX = 64;

/** A place on the board at the screen's upper left corner, and CSS pixels per board unit. Never changed, only replaced. */
export class Viewport {
  constructor(x = 0, y = 0, zoom = 1) {
    this.x = x;
    this.y = y;
    this.zoom = zoom;
  }

  /** @param {number[]} place of the screen, in CSS pixels */
  toBoard([x, y]) {
    return [this.x + x / this.zoom, this.y + y / this.zoom];
  }

  /** @param {number[]} place of the board */
  toScreen([x, y]) {
    return [(x - this.x) * this.zoom, (y - this.y) * this.zoom];
  }

  /** Moved by CSS pixels. */
  panned(dx, dy) {
    return new Viewport(this.x - dx / this.zoom, this.y - dy / this.zoom, this.zoom);
  }

  /** Zoomed so that the place under a point of the screen stays there. @param {number} factor @param {number[]} point */
  zoomed(factor, [x, y]) {
    const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, this.zoom * factor));
    const [bx, by] = this.toBoard([x, y]);
    return new Viewport(bx - x / zoom, by - y / zoom, zoom);
  }

  /** Moved and zoomed so that two places keep under two fingers. */
  pinched(before, after) {
    const middle = ([[ax, ay], [bx, by]]) => [(ax + bx) / 2, (ay + by) / 2];
    const spread = ([[ax, ay], [bx, by]]) => Math.hypot(ax - bx, ay - by) || 1;
    const [fromX, fromY] = middle(before);
    const [toX, toY] = middle(after);
    return this.panned(toX - fromX, toY - fromY).zoomed(spread(after) / spread(before), [toX, toY]);
  }

  /** The scale exponent with which a pen draws here: a unit is about an eighth of a CSS pixel. */
  get penScale() {
    return Math.min(SCALE_MAX, Math.max(SCALE_MIN, 3 + Math.round(Math.log2(this.zoom))));
  }

  /** The part of the board that a screen of this size shows, `[left, top, right, bottom]`. @param {number[]} size */
  bounds([width, height]) {
    return [...this.toBoard([0, 0]), ...this.toBoard([width, height])];
  }

  /** Shows all of some bounds in the middle of a screen, at most at their natural size. @param {number[]} bounds @param {number[]} size */
  static around(bounds, size, margin = 48, most = 1) {
    const [left, top, right, bottom] = bounds;
    const [width, height] = size;
    const fit = Math.min((width - 2 * margin) / (right - left || 1), (height - 2 * margin) / (bottom - top || 1), most);
    const zoom = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, fit));
    const [x, y] = [(left + right) / 2 - width / 2 / zoom, (top + bottom) / 2 - height / 2 / zoom];
    return new Viewport(x, y, zoom);
  }
}
