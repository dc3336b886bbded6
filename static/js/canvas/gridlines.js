// The grid that is seen on the board, and to which things snap.

import { snapped } from "../plane/arrange.js";

/** Board units between two lines, and CSS pixels that they are apart at least. */
const STEP = 20;
const APART = 12;

export class Gridlines {
  /**
   * @param {HTMLElement} surface
   * @param {{ setting: import("../state/settings.js").Setting, camera: import("../state/camera.js").Camera }} facts
   */
  constructor(surface, { setting, camera }) {
    this.surface = surface;
    this.setting = setting;
    this.camera = camera;
    setting.watch(() => this.#show());
    camera.view.watch(() => this.#show());
    this.#show();
  }

  /** Board units between two places to which things snap; `undefined` if they do not. */
  get step() {
    return this.setting.value ? this.#step : undefined;
  }

  get #step() {
    return STEP * 2 ** Math.max(0, Math.ceil(Math.log2(APART / STEP / this.camera.viewport.zoom)));
  }

  /** @param {number[]} place of the board */
  snap(place) {
    return this.setting.value ? snapped(place, this.#step) : place;
  }

  #show() {
    this.surface.classList.toggle("grid", this.setting.value);
    if (!this.setting.value) return;
    const step = this.#step * this.camera.viewport.zoom;
    const [x, y] = this.camera.viewport.toScreen([0, 0]);
    this.surface.style.setProperty("--step", `${step}px`);
    this.surface.style.setProperty("--at", `${x - step / 2}px ${y - step / 2}px`);
  }
}
