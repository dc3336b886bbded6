// Shapes that others are just dragging out: drawn above everything, kept nowhere.

import { previewOf } from "./tools/shapes.js";

/** So long one is shown that does not change, in milliseconds: whoever forgets theirs leaves nothing that cannot be erased. */
const LASTS = 10_000;

export class Drafts {
  /** @param {import("./stage.js").Stage} stage */
  constructor(stage) {
    this.stage = stage;
    /** @type {Map<number, { element: object, timer: number }>} */
    this.shown = new Map();
    stage.sketches.add((context, view) => {
      for (const { element } of this.shown.values()) stage.painter.draw(context, element, view);
      return this.shown.size > 0;
    });
  }

  /** @param {number} author @param {object} [shape] as the operation of that name has it; nothing where it was let go */
  show(author, shape) {
    const before = this.shown.get(author);
    if (!before && !shape) return;
    clearTimeout(before?.timer);
    if (shape) this.shown.set(author, { element: previewOf({ type: "shape", ...shape }), timer: setTimeout(() => this.show(author), LASTS) });
    else this.shown.delete(author);
    this.stage.sketch();
  }

  /** Those of people who have gone go with them. @param {Map<number, object>} people */
  keepOf(people) {
    for (const author of this.shown.keys()) if (!people.has(author)) this.show(author);
  }
}
