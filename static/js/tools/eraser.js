// The eraser: takes away whole elements that it touches; everything that one drag takes is one gesture.

import { touches } from "../ink.js";
import { unitOf } from "../painter.js";
import { DELETIONS } from "../protocol/limits.js";

/** How near is touched, in CSS pixels. */
const REACH = 6;
/** Distance between two places that are looked at on the way of a fast pointer, in CSS pixels. */
const STRIDE = 4;

export const eraser = {
  name: "eraser",
  label: "Eraser",
  key: "e",
  start: (context, sample) => new Erasing(context, sample),
};

class Erasing {
  constructor(context, sample) {
    this.context = context;
    this.at = sample;
    this.gesture = undefined;
    this.#erase(sample);
  }

  move(samples) {
    for (const sample of samples) {
      const steps = Math.max(1, Math.ceil(Math.hypot(sample.x - this.at.x, sample.y - this.at.y) / STRIDE));
      const { x, y } = this.at;
      for (let step = 1; step <= steps; step++) {
        this.#erase({ x: x + ((sample.x - x) * step) / steps, y: y + ((sample.y - y) * step) / steps });
      }
      this.at = sample;
    }
  }

  end() {}

  /** A second finger means that the first one was not meant to erase. */
  cancel() {
    if (this.gesture !== undefined) this.context.session.submit({ type: "undo", gesture: this.gesture });
  }

  #erase({ x, y }) {
    const { session } = this.context;
    const found = this.context.elementsAt(x, y, REACH).slice(0, DELETIONS);
    const elements = found.map(({ author, cseq }) => ({
      author: author === session.self ? 0 : author,
      cseq,
    }));
    if (elements.length === 0) return;
    const gestureBack = this.gesture === undefined ? 0 : session.nextCseq - this.gesture;
    const cseq = session.submit({ type: "delete", gestureBack, elements });
    this.gesture ??= cseq;
  }
}

/** Whether an element is at a place of the board, give or take `reach` board units. */
export function isAt(element, [x, y], reach, bounds) {
  const [left, top, right, bottom] = bounds;
  if (x < left - reach || x > right + reach || y < top - reach || y > bottom + reach) return false;
  if (element.kind !== "stroke") return true;
  const unit = unitOf(element);
  const [dx, dy] = element.properties.offset;
  return touches(element.ink, element.properties.width / 2, [x / unit - dx, y / unit - dy], reach / unit);
}
