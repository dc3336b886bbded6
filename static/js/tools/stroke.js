// What pen and highlighter share: a live stroke that follows the pointer. Each tool adds only its name and its look.

import { Gesture, freeSlot, patch } from "../board/gesture.js";
import { POINTS, PRESSURE, STROKE_POINTS, WIDTH } from "../protocol/limits.js";

/** Points after which a long scribble goes on as a new stroke of the same gesture, well below the limit. */
const LONGEST = STROKE_POINTS - POINTS;

/**
 * Samples after which a second contact no longer takes back what the first one draws. Fingers that pinch come down within a few samples of
 * each other; ten are a sixth of a second of movement at 60 Hz, and a count depends on no clock.
 */
export const MEANT_SAMPLES = 10;
/** CSS pixels that ink must reach as well: a finger that rests trembles. */
export const MEANT_REACH = 8;

/** Simulated pressure: at rest, at speed, and the speed in CSS pixels a millisecond at which it is least. */
const MOST_SIMULATED = 0.85;
const LEAST_SIMULATED = 0.2;
const FAST = 2.5;
/** CSS pixels on which it follows the speed. */
const FOLLOWS = 30;

/** Starts a stroke and follows the pointer until it ends. */
export class StrokeGesture {
  /**
   * @param {import("./tools.js").ToolContext} context
   * @param {import("../input/pointers.js").Sample} sample
   * @param {{ tool: string, colour: string, width: number, dash?: string, simulates?: boolean }} look width in CSS pixels
   */
  constructor(context, sample, look) {
    this.context = context;
    this.look = look;
    this.viewport = context.viewport;
    this.scale = this.viewport.penScale;
    this.slot = freeSlot(context.session);
    this.gesture = new Gesture(context);
    this.from = sample;
    this.samples = 0;
    this.reach = 0;
    this.last = { x: 0, y: 0, pressure: 0 };
    /** How many points the stroke has. */
    this.count = 0;
    this.simulation = sample.pressure === undefined && look.simulates ? new Simulation(sample) : undefined;
    this.#begin(sample);
  }

  #begin(sample) {
    const { tool, colour, dash } = this.look;
    const perUnit = 2 ** this.scale / this.viewport.zoom;
    const width = Math.min(WIDTH, Math.max(1, Math.round(this.look.width * perUnit)));
    const { x, y, pressure } = this.#point(sample);
    const begin = { type: "begin", slot: this.slot, tool, colour, width, scale: this.scale, x, y };
    if (this.#hasPressure(sample)) begin.pressure = pressure;
    const cseq = this.gesture.submit(begin);
    if (dash && dash !== "solid") patch(this.gesture, { author: this.context.session.self, cseq }, { name: "dash", dash });
    this.last = { x, y, pressure };
    this.count = 1;
  }

  #hasPressure(sample) {
    return sample.pressure !== undefined || this.simulation !== undefined;
  }

  #point(sample) {
    const [x, y] = this.context.viewport.toBoard([sample.x, sample.y]);
    const pressure = Math.round((sample.pressure ?? this.simulation?.pressure ?? 0) * PRESSURE);
    return { x: Math.round(x * 2 ** this.scale), y: Math.round(y * 2 ** this.scale), pressure };
  }

  /** @param {import("../input/pointers.js").Sample[]} samples */
  move(samples) {
    const steps = [];
    const pressures = [];
    // Events, not samples: a fast digitizer has many samples in one.
    this.samples += 1;
    for (const sample of samples) {
      this.reach = Math.max(this.reach, Math.hypot(sample.x - this.from.x, sample.y - this.from.y));
      this.simulation?.follow(sample);
      const point = this.#point(sample);
      // A pen that rests sends the same point again and again.
      if (point.x === this.last.x && point.y === this.last.y) continue;
      steps.push([point.x - this.last.x, point.y - this.last.y]);
      pressures.push(point.pressure - this.last.pressure);
      this.last = point;
    }
    if (steps.length === 0) return;
    const operation = { type: "points", slot: this.slot, steps };
    if (this.#hasPressure(samples[0])) operation.pressures = pressures;
    this.context.session.submit(operation);
    this.count += steps.length;
    if (this.count > LONGEST) this.#goOn(samples.at(-1));
  }

  #goOn(sample) {
    this.end();
    this.#begin(sample);
  }

  /** Whether so much is drawn that a second contact does not take it back. */
  get isMeant() {
    return this.samples >= MEANT_SAMPLES && this.reach >= MEANT_REACH;
  }

  end() {
    this.context.session.submit({ type: "end", slot: this.slot });
  }

  cancel() {
    this.context.session.submit({ type: "cancel", slot: this.slot });
  }
}

/** Pressure for a device that has none: the faster, the less, as with a pen of ink. */
class Simulation {
  constructor(sample) {
    this.sample = sample;
    this.pressure = (MOST_SIMULATED + LEAST_SIMULATED) / 2;
  }

  follow(sample) {
    const way = Math.hypot(sample.x - this.sample.x, sample.y - this.sample.y);
    const speed = way / Math.max(1, (sample.time ?? 0) - (this.sample.time ?? 0));
    const aim = MOST_SIMULATED - (MOST_SIMULATED - LEAST_SIMULATED) * Math.min(1, speed / FAST);
    this.pressure += (aim - this.pressure) * Math.min(1, way / FOLLOWS);
    this.sample = sample;
  }
}
