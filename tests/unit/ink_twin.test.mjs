// The page draws ink in the shape that the server exports, however the points came.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Element } from "../../static/js/board/element.js";
import { Painter } from "../../static/js/canvas/painter.js";

const strokes = JSON.parse(readFileSync(new URL("../../server/board/ink.json", import.meta.url), "utf8"));

/** A canvas path that notes what is drawn. */
globalThis.Path2D = class {
  constructor(other) {
    this.commands = other ? [...other.commands] : [];
  }
  addPath(other) {
    this.commands.push(...other.commands);
  }
  moveTo(...at) {
    this.commands.push(["move", ...at]);
  }
  lineTo(...at) {
    this.commands.push(["line", ...at]);
  }
  quadraticCurveTo(...at) {
    this.commands.push(["curve", ...at]);
  }
  closePath() {
    if (this.commands.at(-1)[0] !== "disc") this.commands.push(["close"]);
  }
  arc(x, y, radius) {
    // A disc begins by going to its edge.
    this.commands.pop();
    this.commands.push(["disc", x, y, radius]);
  }
};

function element({ points, isPressed, width }) {
  const [[x, y, pressure]] = points;
  const begin = { slot: 0, gestureBack: 0, tool: "pen", colour: "#000000ff", width, scale: 3, x, y };
  if (isPressed) begin.pressure = pressure;
  const content = { type: "stroke", begin, points: { slot: 0, steps: [] }, live: 0 };
  const it = new Element({ author: 1, cseq: 1, seq: 1, gesture: 1, content, deletions: [], patches: [] });
  it.refresh(() => false);
  return it;
}

function drawn(painter, element) {
  let drawn;
  const keep = (path) => (drawn = path.commands);
  painter.draw({ setTransform() {}, fill: keep, stroke: keep }, element, { scale: 1, x: 0, y: 0 });
  return drawn;
}

function assertSame(commands, expected, what) {
  assert.deepEqual(commands.map(([name]) => name), expected.map(([name]) => name), what);
  commands.forEach((command, at) => {
    command.slice(1).forEach((number, axis) => {
      assert.ok(Math.abs(number - expected[at][axis + 1]) < 1e-3, `${what}: ${command} is not ${expected[at]}`);
    });
  });
}

strokes.forEach((stroke, index) => {
  for (const chunk of [stroke.points.length, 1, 7]) {
    test(`stroke ${index} in chunks of ${chunk} has its shape`, () => {
      const [painter, it] = [new Painter(), element(stroke)];
      let commands = drawn(painter, it);
      for (let from = 1; from < stroke.points.length; from += chunk) {
        const indices = stroke.points.slice(from, from + chunk).map((_, at) => from + at);
        const change = (axis) => (at) => stroke.points[at][axis] - stroke.points[at - 1][axis];
        const points = { steps: indices.map((at) => [change(0)(at), change(1)(at)]) };
        if (stroke.isPressed) points.pressures = indices.map(change(2));
        it.extend(points);
        commands = drawn(painter, it);
      }
      assertSame(commands, stroke.path, `stroke ${index}`);
    });
  }
});
