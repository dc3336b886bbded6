// The erasers: one takes away whole elements that it touches, one cuts strokes where it goes. Everything that one drag takes is
// one gesture.

import { copyOf, drawCopies } from "../board/copies.js";
import { Gesture, deleteAll, patch } from "../board/gesture.js";
import { cut } from "../plane/cut.js";
import { ownPlace } from "../plane/hits.js";

/** How near is touched, in CSS pixels. */
const REACH = 6;
const CUTTER_REACH = 10;
/** Distance between two places that are looked at on the way of a fast pointer, in CSS pixels. */
const STRIDE = 4;

export const eraser = {
  name: "eraser",
  key: "e",
  cursor: "cell",
  start: (context, sample) => new Erasing(context, sample),
};

export const cutter = {
  name: "cutter",
  key: "x",
  cursor: "cell",
  start: (context, sample) => new Cutting(context, sample),
};

class Erasing {
  constructor(context, sample) {
    this.context = context;
    this.at = sample;
    this.gesture = new Gesture(context);
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
    this.gesture.takeBack();
  }

  #erase({ x, y }) {
    const elements = this.context.elementsAt(x, y, REACH).filter(({ properties }) => !properties.locked);
    if (elements.length > 0) deleteAll(this.gesture, elements);
  }
}

class Cutting {
  constructor(context, sample) {
    this.context = context;
    this.at = sample;
    this.gesture = new Gesture(context);
    this.#cut(sample, sample);
  }

  move(samples) {
    for (const sample of samples) {
      this.#cut(this.at, sample);
      this.at = sample;
    }
  }

  end() {}

  cancel() {
    this.gesture.takeBack();
  }

  #cut(from, to) {
    const { viewport } = this.context;
    const [a, b] = [viewport.toBoard([from.x, from.y]), viewport.toBoard([to.x, to.y])];
    const reach = CUTTER_REACH / viewport.zoom;
    const area = [Math.min(a[0], b[0]) - reach, Math.min(a[1], b[1]) - reach, Math.max(a[0], b[0]) + reach, Math.max(a[1], b[1]) + reach];
    const strokes = this.context.elementsIn(area).filter((it) => it.kind === "stroke" && !this.context.session.isBeingDrawn(it) && !it.properties.locked);
    for (const stroke of strokes) this.#cutStroke(stroke, [a, b], reach);
  }

  #cutStroke(stroke, way, reach) {
    const own = way.map((place) => ownPlace(stroke, place));
    if (own.includes(undefined)) return;
    const [a, b, c, d] = stroke.properties.matrix;
    const scale = Math.sqrt(Math.abs(a * d - b * c)) || 1;
    const near = (reach * 2 ** stroke.scale) / scale + stroke.properties.width / 2;
    const pieces = cut(stroke.ink, own, near);
    if (!pieces) return;
    deleteAll(this.gesture, [stroke]);
    for (const piece of pieces) this.#draw(stroke, piece);
  }

  /** Draws a piece where it was, in the same place of painting order. */
  #draw(stroke, ink) {
    const { anchor: [ax, ay], properties: { matrix: [a, b, c, d], rank, offset: [ox, oy] } } = stroke;
    // A piece begins elsewhere, and is scaled and turned about that.
    const [dx, dy] = [ink.x[0] - ax, ink.y[0] - ay];
    const offset = [Math.round(ox - dx + a * dx + c * dy), Math.round(oy - dy + b * dx + d * dy)];
    const piece = stroke.with({ ink, properties: { ...stroke.properties, offset } });
    const { session } = this.context;
    const [key] = drawCopies(this.gesture, [copyOf(piece)], (group) => group);
    const cseq = Number(key.split(":")[1]);
    patch(this.gesture, { author: session.self, cseq }, { name: "rank", rank });
  }
}
