// The minimap: all of the board, small, with frames around what this screen and those of the others show. A press goes there.

import { grown, union } from "../plane/geometry.js";
import { themeColour } from "../state/theme.js";
import { contextOf } from "./context.js";

/** How many times wider and higher than what is drawn, and where one looks, the map is for the others' sake. */
const WIDEST = 4;

/** It is drawn at most so often, in milliseconds. */
const INTERVAL = 60;

const sizes = (area) => [area[2] - area[0], area[3] - area[1]];

export class Minimap {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("./stage.js").Stage} stage
   * @param {{ goTo: (place: number[]) => void, otherViews: { view: number[], colour: string }[] }} delegate
   */
  constructor(canvas, stage, delegate) {
    this.canvas = canvas;
    this.stage = stage;
    this.delegate = delegate;
    this.context = contextOf(canvas);
    /** The frame while a pointer is held on the map: a map that grew with the view would run away from the pointer. @type {{ scale: number, left: number, top: number } | undefined} */
    this.held = undefined;
  }

  start() {
    const go = (event) => this.delegate.goTo(this.#place(event.offsetX, event.offsetY));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.held = this.#frame();
      go(event);
    });
    // A drag that began elsewhere passes over it.
    this.canvas.addEventListener("pointermove", (event) => this.canvas.hasPointerCapture(event.pointerId) && go(event));
    this.canvas.addEventListener("lostpointercapture", () => {
      this.held = undefined;
      this.draw();
    });
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
    if (this.held) return this.held;
    const view = this.#view();
    const content = this.stage.contentBounds;
    const own = content ? union(content, view) : view;
    const others = this.delegate.otherViews.map((other) => union(own, other.view));
    // Whoever looks far away must not make a dot of all the rest.
    const all = others.filter((wider) => sizes(wider).every((side, at) => side <= WIDEST * sizes(own)[at])).reduce(union, own);
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

  drawSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.draw();
    }, INTERVAL);
  }

  draw() {
    if (!this.isShown) return;
    const { canvas, context, stage } = this;
    const ratio = stage.ratio;
    [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    const { scale, left, top } = this.#frame();
    const { canvas: picture = undefined, shows = undefined } = stage.tiles.overview ?? {};
    const toMap = (x, y) => [(x - left) * scale * ratio, (y - top) * scale * ratio];
    // Of a board from which all is gone the picture is still there.
    if (picture && shows && stage.contentBounds) {
      const [x, y] = toMap(shows.x / shows.scale, shows.y / shows.scale);
      const by = (scale * ratio) / shows.scale;
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, x, y, picture.width * by, picture.height * by);
    }
    const frame = (view, colour, width) => {
      const [[x, y], [right, bottom]] = [toMap(view[0], view[1]), toMap(view[2], view[3])];
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.strokeRect(x, y, right - x, bottom - y);
    };
    for (const { view, colour } of this.delegate.otherViews) frame(view, colour, 1);
    frame(this.#view(), themeColour("accent"), 1.5);
  }
}
