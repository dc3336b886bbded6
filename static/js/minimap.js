// The minimap: all of the board, small, with a frame around what the screen shows. A press goes there.

import { grown, union } from "./geometry.js";

export class Minimap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./stage.js").Stage} stage
   * @param {(place: number[]) => void} goTo
   */
  constructor(canvas, stage, goTo) {
    this.canvas = canvas;
    this.stage = stage;
    this.goTo = goTo;
    this.context = canvas.getContext("2d");
  }

  start() {
    const go = (event) => {
      if (event.buttons === 0) return;
      this.canvas.setPointerCapture(event.pointerId);
      this.goTo(this.#place(event.offsetX, event.offsetY));
    };
    this.canvas.addEventListener("pointerdown", go);
    this.canvas.addEventListener("pointermove", go);
  }

  get isShown() {
    return !this.canvas.hidden && this.canvas.clientWidth > 0;
  }

  #view() {
    const { stage } = this;
    return stage.viewport.bounds(stage.size);
  }

  /** The area that is shown, and CSS pixels for a board unit. */
  #frame() {
    const view = this.#view();
    const content = this.stage.contentBounds;
    const all = content ? union(content, view) : view;
    const area = grown(all, (all[2] - all[0]) * 0.03);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const scale = Math.min(width / (area[2] - area[0]), height / (area[3] - area[1]));
    const left = (area[0] + area[2]) / 2 - width / 2 / scale;
    const top = (area[1] + area[3]) / 2 - height / 2 / scale;
    return { scale, left, top };
  }

  #place(x, y) {
    const { scale, left, top } = this.#frame();
    return [left + x / scale, top + y / scale];
  }

  /** Draws it anew. */
  draw() {
    if (!this.isShown) return;
    const { canvas, context, stage } = this;
    const ratio = stage.ratio;
    [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    const { scale, left, top } = this.#frame();
    const { canvas: picture = undefined, shows = undefined } = stage.tiles.overview ?? {};
    const toMap = (x, y) => [(x - left) * scale * ratio, (y - top) * scale * ratio];
    if (picture && shows) {
      const [x, y] = toMap(shows.x / shows.scale, shows.y / shows.scale);
      const by = (scale * ratio) / shows.scale;
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, x, y, picture.width * by, picture.height * by);
    }
    const [viewLeft, viewTop, viewRight, viewBottom] = this.#view();
    const [x, y] = toMap(viewLeft, viewTop);
    const [right, bottom] = toMap(viewRight, viewBottom);
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    context.lineWidth = 1.5 * ratio;
    context.strokeRect(x, y, right - x, bottom - y);
  }
}
