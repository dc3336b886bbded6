// What pen and highlighter share: a live stroke that follows the pointer. Each tool adds only its name and its look.

import { LIVE_SLOTS, POINTS, PRESSURE, STROKE_POINTS, WIDTH } from "../protocol/limits.js";

/** Points after which a long scribble goes on as a new stroke of the same gesture, well below the limit. */
const LONGEST = STROKE_POINTS - POINTS;

/** Starts a stroke and follows the pointer until it ends. */
export class StrokeGesture {
  /**
   * @param {import("./tools.js").ToolContext} context
   * @param {import("../pointers.js").Sample} sample
   * @param {{ tool: string, colour: string, width: number }} look width in CSS pixels
   */
  constructor(context, sample, look) {
    this.context = context;
    this.look = look;
    this.viewport = context.viewport;
    this.scale = this.viewport.penScale;
    this.slot = freeSlot(context);
    this.#begin(sample, 0);
  }

  #begin(sample, gestureBack) {
    const { tool, colour } = this.look;
    const perUnit = 2 ** this.scale / this.viewport.zoom;
    const width = Math.min(WIDTH, Math.max(1, Math.round(this.look.width * perUnit)));
    const { x, y, pressure } = this.#point(sample);
    const begin = { type: "begin", slot: this.slot, gestureBack, tool, colour, width, scale: this.scale, x, y };
    if (sample.pressure !== undefined) begin.pressure = pressure;
    const cseq = this.context.session.submit(begin);
    this.gesture ??= cseq;
    this.last = { x, y, pressure };
    this.count = 1;
  }

  #point(sample) {
    const [x, y] = this.context.viewport.toBoard([sample.x, sample.y]);
    const pressure = Math.round((sample.pressure ?? 0) * PRESSURE);
    return { x: Math.round(x * 2 ** this.scale), y: Math.round(y * 2 ** this.scale), pressure };
  }

  /** @param {import("../pointers.js").Sample[]} samples */
  move(samples) {
    const points = samples.map((sample) => this.#point(sample));
    const steps = [];
    const pressures = [];
    for (const point of points) {
      // A pen that rests sends the same point again and again.
      if (point.x === this.last.x && point.y === this.last.y) continue;
      steps.push([point.x - this.last.x, point.y - this.last.y]);
      pressures.push(point.pressure - this.last.pressure);
      this.last = point;
    }
    if (steps.length === 0) return;
    const operation = { type: "points", slot: this.slot, steps };
    if (samples[0].pressure !== undefined) operation.pressures = pressures;
    this.context.session.submit(operation);
    this.count += steps.length;
    if (this.count > LONGEST) this.#goOn(samples.at(-1));
  }

  #goOn(sample) {
    this.end();
    this.#begin(sample, this.context.session.nextCseq - this.gesture);
  }

  end() {
    this.context.session.submit({ type: "end", slot: this.slot });
  }

  cancel() {
    this.context.session.submit({ type: "cancel", slot: this.slot });
  }
}

/** A slot that no live stroke of this person has; there are as many as fingers of two hands but two. */
function freeSlot({ session }) {
  const taken = session.board.liveSlots(session.self);
  return Array.from({ length: LIVE_SLOTS }, (_, slot) => slot).find((slot) => !taken.includes(slot)) ?? 0;
}
