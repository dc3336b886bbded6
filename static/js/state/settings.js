// A person's settings for all boards of this browser, which keeps them.

import { keep, kept } from "../device/storage.js";
import { Fact } from "./facts.js";

/** @extends {Fact<boolean>} */
export class Setting extends Fact {
  /** @param {string} key under which it is kept @param {boolean} byDefault its value until somebody chooses */
  constructor(key, byDefault) {
    const chosen = kept("localStorage", key);
    super(typeof chosen === "boolean" ? chosen : byDefault);
    this.key = key;
  }

  /** Whether somebody has chosen, here or earlier. */
  get isChosen() {
    return kept("localStorage", this.key) !== undefined;
  }

  /** @param {boolean} value */
  choose(value) {
    keep("localStorage", this.key, value);
    this.set(value);
  }

  toggle() {
    this.choose(!this.value);
  }
}

export class Settings {
  /** Whether there is a grid, to which things snap. */
  grid = new Setting("inkwire.grid", false);
  /** Whether there is a small map. */
  minimap = new Setting("inkwire.minimap", innerWidth >= 900);
  /** Whether only pens draw. */
  pen = new Setting("inkwire.pen", false);
}
