// An earlier moment is brought back to a board on which people have gone on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bringBack } from "../../static/js/board/bringback.js";
import { copyOf, drawCopies } from "../../static/js/board/copies.js";
import { inOrder } from "../../static/js/board/element.js";
import { Gesture, deleteAll, patch } from "../../static/js/board/gesture.js";
import { Editing } from "../../static/js/tools/editing.js";
import { Session, SessionDelegate } from "../../static/js/session/session.js";

const LOOK = { colour: "#000000ff", fill: "#00000000", scale: 3 };

/** A session with something of every kind, of which two are a group. */
function drawn() {
  const session = new Session({ clientId: "00".repeat(16), nextCseq: 1, name: "Ada", colour: "#000000ff" }, new SessionDelegate());
  session.receive([
    { type: "welcome", author: 1, epoch: "01".repeat(8), seq: 0, cseq: 0, mark: 0 },
    { type: "snapshot", seq: 0, elements: 0, authors: [] },
    { type: "snapshotEnd", hash: "0".repeat(16) },
  ]);
  const gesture = new Gesture({ session });
  gesture.submit({ type: "begin", slot: 0, tool: "pen", colour: "#e03231ff", width: 20, scale: 3, x: 5, y: 5, pressure: 128 });
  gesture.goOn({ type: "points", slot: 0, steps: [[4, 4], [-3, 9]], pressures: [1, -2] });
  gesture.goOn({ type: "end", slot: 0 });
  gesture.submit({ type: "shape", kind: "ellipse", ...LOOK, width: 8, x: 0, y: 0, dx: 90, dy: 40 });
  gesture.submit({ type: "text", colour: LOOK.colour, size: 90, scale: 3, x: 7, y: 8, text: "hello" });
  gesture.submit({ type: "note", ...LOOK, size: 90, x: 70, y: 80, dx: 300, dy: 300, text: "note" });
  for (const element of elementsOf(session).slice(1, 3)) patch(gesture, element, { name: "group", group: 7 });
  patch(gesture, elementsOf(session)[0], { name: "matrix", a: 2 << 16, b: 0, c: 0, d: 1 << 16 });
  return session;
}

const elementsOf = ({ board }) => Array.from(board.visible()).sort(inOrder);
const moment = (session) => elementsOf(session).map((element) => element.copy());
/** How a board looks: its elements in painting order. */
const look = (session) => elementsOf(session).map((element) => JSON.stringify(copyOf(element)));

test("what was erased since is drawn again where it lay, and one undo takes all of it away", () => {
  const session = drawn();
  const [then, before] = [moment(session), look(session)];
  deleteAll(new Gesture({ session }), elementsOf(session).slice(0, 3));
  const spoiled = look(session);
  const gesture = new Gesture({ session });
  assert.equal(bringBack(gesture, then).length, 3);
  assert.deepEqual(look(session), before);
  session.submit({ type: "undo", gesture: gesture.first });
  assert.deepEqual(look(session), spoiled);
});

test("what was changed since is as it was", () => {
  const session = drawn();
  const [then, before] = [moment(session), look(session)];
  const gesture = new Gesture({ session });
  for (const element of elementsOf(session)) {
    const properties = [
      { name: "offset", x: 40, y: -8 }, { name: "colour", colour: "#ffffff00" }, { name: "matrix", a: 9, b: 9, c: -9, d: 9 },
      { name: "rank", rank: 99 - element.cseq }, { name: "locked", locked: true }, { name: "group", group: 3 },
      { name: "width", width: 999 }, { name: "text", text: "spoiled" }, { name: "fill", colour: "#000000ff" }, { name: "dash", dash: "dotted" },
    ];
    for (const property of properties) if (element.has(property.name)) patch(gesture, element, property);
  }
  assert.equal(bringBack(new Gesture({ session }), then).length, 4);
  assert.deepEqual(look(session), before);
});

test("of a stroke that was cut since all is drawn again", () => {
  const session = drawn();
  const then = moment(session);
  const [stroke] = elementsOf(session);
  const piece = { ...copyOf(stroke), content: { ...copyOf(stroke).content, points: { steps: [[4, 4]], pressures: [1] } } };
  const gesture = new Gesture({ session });
  deleteAll(gesture, [stroke]);
  const [key] = drawCopies(gesture, [piece], (group) => group);
  patch(gesture, session.board.element(key), { name: "rank", rank: stroke.properties.rank });
  assert.equal(bringBack(new Gesture({ session }), then).length, 1);
  assert.ok(look(session).includes(JSON.stringify(copyOf(then[0]))));
});

test("what is spoiled again is brought back again", () => {
  const session = drawn();
  const then = moment(session);
  deleteAll(new Gesture({ session }), elementsOf(session).slice(0, 1));
  const [again] = bringBack(new Gesture({ session }), then);
  patch(new Gesture({ session }), session.board.element(again), { name: "colour", colour: "#ffffff00" });
  assert.equal(bringBack(new Gesture({ session }), then).length, 1);
  assert.ok(look(session).includes(JSON.stringify(copyOf(then[0]))));
});

test("where not all of it can be drawn again nothing is", () => {
  const session = drawn();
  const then = moment(session);
  deleteAll(new Gesture({ session }), elementsOf(session));
  const { board } = session;
  const full = [4, 4, 500_000];
  Object.defineProperty(board, "size", { get: () => full.shift() });
  assert.throws(() => bringBack(new Gesture({ session }), then), { reason: "boardFull" });
  assert.deepEqual(elementsOf(session), []);
  assert.deepEqual(board.liveSlots(1), []);
});

test("copies of what is locked are drawn without being selected", () => {
  const session = drawn();
  for (const element of elementsOf(session).slice(0, 3)) patch(new Gesture({ session }), element, { name: "locked", locked: true });
  let selected = new Set();
  const editing = new Editing(/** @type {any} */ ({ session, copiesDrawn() {}, selection: { set: (keys) => (selected = keys) } }));
  editing.draw(elementsOf(session).map((element) => copyOf(element)));
  assert.equal(elementsOf(session).length, 8);
  assert.deepEqual(Array.from(selected, (key) => session.board.element(key).kind), ["note"]);
});

test("what was drawn since stays, and nothing is drawn again twice", () => {
  const session = drawn();
  const then = moment(session);
  const [first, ...others] = elementsOf(session);
  deleteAll(new Gesture({ session }), [first]);
  session.submit({ type: "text", gestureBack: 0, colour: LOOK.colour, size: 90, scale: 3, x: 0, y: 0, text: "later" });
  // It lies where the stroke lay, in painting order, and is another thing for that.
  patch(new Gesture({ session }), elementsOf(session).at(-1), { name: "rank", rank: first.properties.rank });
  bringBack(new Gesture({ session }), then);
  assert.equal(elementsOf(session).length, others.length + 2);
  assert.ok(elementsOf(session).some(({ properties }) => properties.text === "later"));
  assert.deepEqual(bringBack(new Gesture({ session }), then), []);
  assert.equal(elementsOf(session).length, others.length + 2);
});
