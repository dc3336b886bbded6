// Tells screen readers what others do, gathered, so that nobody is talked over.

import { t } from "../state/language.js";

/** Between two announcements, in milliseconds. */
const EVERY = 4_000;

export class Announcer {
  /** @param {HTMLElement} region */
  constructor(region) {
    this.region = region;
    /** What others did, by the key of its words: who, and to which elements. @type {Map<string, Map<string, Set<string>>>} */
    this.done = new Map();
    this.words = [];
  }

  /** Says something soon. */
  say(words) {
    this.words.push(words);
    this.#soon();
  }

  /** Somebody has done something to elements. @param {string} words their key @param {string} name @param {string[]} elements */
  did(words, name, elements) {
    const byName = this.done.get(words) ?? new Map();
    this.done.set(words, byName.set(name, new Set([...(byName.get(name) ?? []), ...elements])));
    this.#soon();
  }

  #soon() {
    this.timer ??= setTimeout(() => this.#tell(), this.toldAt && Date.now() - this.toldAt < EVERY ? EVERY : 0);
  }

  #tell() {
    this.timer = undefined;
    this.toldAt = Date.now();
    const said = ([words, byName]) => Array.from(byName, ([name, elements]) => t(words, { name, count: elements.size }));
    this.region.textContent = [...this.words, ...Array.from(this.done).flatMap(said)].join(" ");
    this.words = [];
    this.done.clear();
  }
}
