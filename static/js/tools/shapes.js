// Lines, arrows, rectangles and ellipses: dragged out between two corners. With Shift they are even: a square, a circle, a line
// at a multiple of 15 degrees. A tap leaves nothing.

import { previewOf } from "../board/element.js";
import { Gesture, patch } from "../board/gesture.js";
import { hasInside } from "../plane/shape.js";
import { fillOf, placeIn, widthIn, withOpacity } from "./look.js";
import { MEANT_REACH, MEANT_SAMPLES } from "./stroke.js";

/** A drag that is shorter, in CSS pixels, was not meant. */
const SHORTEST = 3;
const EVEN_TURN = Math.PI / 12;

const shape = (kind, key) => ({ name: kind, key, start: (context, sample) => new Shaping(context, sample, kind) });

export const line = shape("line", "l");
export const arrow = shape("arrow", "a");
export const rectangle = shape("rectangle", "r");
export const ellipse = shape("ellipse", "o");

class Shaping {
  constructor(context, sample, kind) {
    this.context = context;
    this.kind = kind;
    this.from = context.snap(context.viewport.toBoard([sample.x, sample.y]));
    this.to = this.from;
    this.samples = 0;
  }

  move(samples) {
    this.samples += 1;
    const { x, y, shift } = samples.at(-1);
    const to = this.context.snap(this.context.viewport.toBoard([x, y]));
    this.to = shift ? even(this.from, to, this.kind) : to;
    const operation = this.#operation();
    this.context.showPreview({ hidden: new Set(), elements: [previewOf(operation, this.context.style.dash)] });
    this.context.showDraft({ ...operation, gestureBack: 0 });
  }

  #operation() {
    const { style, viewport } = this.context;
    const scale = viewport.penScale;
    const [x, y] = placeIn(this.from, scale);
    const [toX, toY] = placeIn(this.to, scale);
    const colour = withOpacity(style.colour, style.opacity);
    const fill = hasInside(this.kind) ? fillOf(style) : "#00000000";
    const width = widthIn(style.width, scale, viewport.zoom);
    return { type: "shape", kind: this.kind, colour, fill, width, scale, x, y, dx: toX - x, dy: toY - y };
  }

  /** As of a stroke. */
  get isMeant() {
    return this.samples >= MEANT_SAMPLES && this.#length >= MEANT_REACH;
  }

  /** In CSS pixels. */
  get #length() {
    return Math.hypot(this.to[0] - this.from[0], this.to[1] - this.from[1]) * this.context.viewport.zoom;
  }

  end() {
    const { session, style } = this.context;
    if (this.#length < SHORTEST) return this.cancel();
    const gesture = new Gesture(this.context);
    const cseq = gesture.submit(this.#operation());
    if (style.dash !== "solid") patch(gesture, { author: session.self, cseq }, { name: "dash", dash: style.dash });
    this.#isOver();
    return undefined;
  }

  cancel() {
    this.#isOver();
  }

  #isOver() {
    this.context.endPreview();
    this.context.showDraft(undefined);
  }
}

function even([ax, ay], [bx, by], kind) {
  const [dx, dy] = [bx - ax, by - ay];
  if (hasInside(kind)) {
    const side = Math.max(Math.abs(dx), Math.abs(dy));
    return [ax + side * (Math.sign(dx) || 1), ay + side * (Math.sign(dy) || 1)];
  }
  const turn = Math.round(Math.atan2(dy, dx) / EVEN_TURN) * EVEN_TURN;
  const length = Math.hypot(dx, dy);
  return [ax + Math.cos(turn) * length, ay + Math.sin(turn) * length];
}
