// Tells screen readers what others do, gathered, so that nobody is talked over.

import { t } from "./language.js";

/** Between two announcements, in milliseconds. */
const EVERY = 4_000;

export class Announcer {
  /** @param {HTMLElement} region */
  constructor(region) {
    this.region = region;
    this.drawn = new Map();
    this.words = [];
  }

  /** Says something soon. */
  say(words) {
    this.words.push(words);
    this.#soon();
  }

  /** Somebody has finished an element. @param {string} name */
  drew(name) {
    this.drawn.set(name, (this.drawn.get(name) ?? 0) + 1);
    this.#soon();
  }

  #soon() {
    this.timer ??= setTimeout(() => this.#tell(), this.toldAt && Date.now() - this.toldAt < EVERY ? EVERY : 0);
  }

  #tell() {
    this.timer = undefined;
    this.toldAt = Date.now();
    const drawn = Array.from(this.drawn, ([name, count]) => t("somebodyDrew", { name, count }));
    this.region.textContent = [...this.words, ...drawn].join(" ");
    this.words = [];
    this.drawn.clear();
  }
}
