// The outline of ink: the same for the same points, in one direction, around every point.

import assert from "node:assert/strict";
import { test } from "node:test";
import { addOutline, curveDiscs, endDiscs, radius, touches } from "../../static/js/plane/ink.js";
import { Viewport } from "../../static/js/plane/viewport.js";

/** A path that keeps its contours as polygons. */
class Polygons {
  constructor() {
    this.all = [];
  }
  moveTo(x, y) {
    this.all.push([[x, y]]);
  }
  lineTo(x, y) {
    this.all.at(-1).push([x, y]);
  }
  arc(x, y, r, from, to) {
    for (let at = 1; at < 16; at++) {
      const angle = from + ((to - from) * at) / 16;
      this.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
    }
  }
  closePath() {}
}

const area = (polygon) =>
  polygon.reduce((sum, [x, y], at) => {
    const [nx, ny] = polygon[(at + 1) % polygon.length];
    return sum + (x * ny - nx * y) / 2;
  }, 0);

const winding = (polygon, [px, py]) =>
  polygon.reduce((sum, [ax, ay], at) => {
    const [bx, by] = polygon[(at + 1) % polygon.length];
    const side = (bx - ax) * (py - ay) - (px - ax) * (by - ay);
    if (ay <= py && by > py && side > 0) return sum + 1;
    if (ay > py && by <= py && side < 0) return sum - 1;
    return sum;
  }, 0);

/** A stroke that wanders, loops tightly and turns back on itself. */
function stroke(seed) {
  const ink = { x: [0], y: [0], pressure: [128] };
  let random = seed;
  const next = () => (random = (random * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  let angle = 0;
  for (let at = 0; at < 300; at++) {
    angle += (next() - 0.5) * (next() < 0.1 ? 6 : 0.6);
    ink.x.push(Math.round(ink.x.at(-1) + 12 * Math.cos(angle)));
    ink.y.push(Math.round(ink.y.at(-1) + 12 * Math.sin(angle)));
    ink.pressure.push(Math.round(40 + 200 * next()));
  }
  return ink;
}

function outline(ink, width) {
  const chain = [];
  for (let at = 1; at < ink.x.length - 1; at++) chain.push(...curveDiscs(ink, width, at));
  chain.push(...endDiscs(ink, width));
  const path = new Polygons();
  addOutline(path, chain, 0, chain.length - 1);
  return { chain, polygons: path.all };
}

test("the outline covers the middle line of every stroke, without holes", () => {
  for (let seed = 1; seed < 20; seed++) {
    const { chain, polygons } = outline(stroke(seed), 40);
    for (let at = 1; at < chain.length - 1; at++) {
      const [[ax, ay], [bx, by]] = [chain[at], chain[at + 1]];
      const inner = [(ax + bx) / 2 + 0.001, (ay + by) / 2 + 0.001];
      const sum = polygons.reduce((total, polygon) => total + winding(polygon, inner), 0);
      assert.notEqual(sum, 0, `seed ${seed}, disc ${at} of ${chain.length}`);
    }
  }
});

test("every piece of an outline turns the same way", () => {
  for (let seed = 1; seed < 20; seed++) {
    const { polygons } = outline(stroke(seed), 40);
    const backwards = polygons.filter((polygon) => polygon.length < 6 && area(polygon) < -1e-6);
    assert.deepEqual(backwards, [], `seed ${seed}`);
  }
});

test("ink is as wide as its pressure says", () => {
  assert.equal(radius(40, false, 0), 20);
  assert.equal(radius(40, true, 255), 20);
  assert.ok(radius(40, true, 0) > 0);
});

test("a stroke is touched on its line and not beside it", () => {
  const ink = { x: [0, 100], y: [0, 0] };
  assert.ok(touches(ink, 4, [50, 3], 0));
  assert.ok(touches(ink, 4, [50, 8], 5));
  assert.ok(!touches(ink, 4, [50, 12], 5));
  assert.ok(touches({ x: [7], y: [7] }, 4, [9, 9], 0));
});

test("a place stays under the pointer while the board is zoomed", () => {
  const before = new Viewport(10, 20, 2);
  const after = before.zoomed(1.7, [300, 200]);
  const [x, y] = after.toScreen(before.toBoard([300, 200]));
  assert.ok(Math.abs(x - 300) < 1e-9 && Math.abs(y - 200) < 1e-9);
  assert.equal(new Viewport(0, 0, 1).penScale, 3);
  assert.equal(new Viewport(0, 0, 8).penScale, 6);
});

test("fingers keep the places that they hold", () => {
  const before = new Viewport(0, 0, 1);
  const [a, b] = [[100, 100], [200, 200]];
  const after = before.pinched([a, b], [[50, 80], [250, 280]]);
  assert.equal(after.zoom, 2);
  assert.deepEqual(after.toScreen(before.toBoard([150, 150])), [150, 180]);
});
