// The page's board replays the server's committed session to the same state hash after every step.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Board, Diverged } from "../../static/js/board/board.js";
import { History } from "../../static/js/board/history.js";
import { restored as fromKept, snapshotOf } from "../../static/js/board/snapshot.js";
import { Rejected } from "../../static/js/board/element.js";
import { LATER, PROPERTIES, SEEN, madeWith, propertyOf } from "../../static/js/board/properties.js";
import { fromHex } from "../../static/js/protocol/bytes.js";
import { PROPERTY_NAMES, decodeServer } from "../../static/js/protocol/codec.js";

const session = JSON.parse(readFileSync(new URL("../../server/board/replay.json", import.meta.url)));

function* log() {
  for (const { bytes, hash } of session.steps) {
    const [{ firstSeq, entries }] = decodeServer(fromHex(bytes));
    yield { seq: firstSeq, entry: entries[0], hash };
  }
}

function restored() {
  const [head, ...rest] = decodeServer(fromHex(session.snapshot));
  const { hash } = rest.pop();
  return Board.restore({ ...head, elements: rest.flatMap((message) => message.elements), hash });
}

test("the log gives the server's state hash after every step", () => {
  const board = new Board();
  for (const { seq, entry, hash } of log()) {
    board.replay(seq, entry);
    assert.equal(board.hash.toString(), hash, `after operation ${seq}`);
  }
});

test("the snapshot gives the same board as the log", () => {
  const board = new Board();
  for (const { seq, entry } of log()) board.replay(seq, entry);
  assert.equal(restored().hash.toString(), board.hash.toString());
  const keys = (of) => Array.from(of.visible(), (element) => element.key);
  assert.deepEqual(keys(restored()), keys(board));
});

test("a board that was kept goes on as if it had never been away", () => {
  let board = new Board();
  for (const { seq, entry, hash } of log()) {
    board = fromKept(structuredClone(snapshotOf(board)));
    board.replay(seq, entry);
    assert.equal(board.hash.toString(), hash, `after operation ${seq}`);
  }
});

test("a board that was kept and damaged is not shown", () => {
  const snapshot = snapshotOf(restored());
  snapshot.elements.find(({ ink }) => ink?.x.length > 1).ink.x[1] += 1;
  assert.throws(() => fromKept(snapshot), Diverged);
});

test("a log that does not follow is not applied", () => {
  const [first] = log();
  assert.throws(() => new Board().replay(2, first.entry), Diverged);
});

const text = (words) => ({ type: "text", gestureBack: 0, colour: "#000000ff", size: 9, scale: 3, x: 0, y: 0, text: words });

test("operations on top leave the board below as it is", () => {
  const below = restored();
  const before = below.hash.toString();
  const top = new Board(below);
  const some = Array.from(below.visible())[0];
  top.submit(9, 1, text("on top"));
  top.submit(9, 2, { type: "delete", gestureBack: 0, elements: [{ author: some.author, cseq: some.cseq }] });
  const keys = Array.from(top.visible(), (element) => element.key);
  assert.ok(keys.includes("9:1"));
  assert.ok(!keys.includes(some.key));
  assert.equal(below.hash.toString(), before);
  top.submit(9, 3, { type: "undo", gesture: 2 });
  assert.ok(Array.from(top.visible(), (element) => element.key).includes(some.key));
});

test("undo and redo walk through one's own gestures", () => {
  const board = new Board();
  board.submit(1, 1, text("a"));
  board.submit(1, 2, text("b"));
  assert.equal(board.history(1).undoable, 2);
  board.submit(1, 3, { type: "undo", gesture: 2 });
  board.submit(1, 4, { type: "undo", gesture: 1 });
  assert.equal(board.history(1).undoable, undefined);
  assert.equal(board.history(1).redoable, 1);
  board.submit(1, 5, { type: "redo", gesture: 1 });
  assert.equal(board.history(1).redoable, 2);
  assert.equal(board.history(1).undoable, 1);
});

test("rules are the server's rules", () => {
  const board = new Board();
  const reason = (act) => assert.throws(act, Rejected);
  reason(() => board.submit(1, 1, { type: "points", slot: 0, steps: [[1, 1]] }));
  reason(() => board.submit(1, 1, { type: "undo", gesture: 1 }));
  reason(() => board.submit(1, 1, text("bell\u0007")));
  reason(() => board.submit(1, 1, { type: "unknown", tag: 99, body: "" }));
});

test("an element that is changed or deleted above a board is counted once", () => {
  const text = { type: "text", gestureBack: 0, colour: "#000000ff", size: 9, scale: 3, x: 0, y: 0, text: "x" };
  const below = new Board();
  for (const cseq of [1, 2]) below.submit(1, cseq, text);
  const above = new Board(below);
  const element = { author: 0, cseq: 1 };
  above.submit(1, 3, { type: "patch", gestureBack: 0, element, property: { name: "width", width: 12 } });
  above.submit(1, 4, { type: "delete", gestureBack: 0, elements: [element] });
  assert.equal(above.size, 2);
  above.submit(1, 5, text);
  assert.equal(above.size, 3);
  assert.equal(below.copy().size, 2);
});

/** A history of so many gestures, each of which has touched so many elements. */
function historyOf(gestures, touched) {
  const history = new History();
  for (let id = 1; id <= gestures; id++) {
    history.open(id);
    for (let at = 0; at < touched; at++) history.touch(id, `${id}:${at}`);
  }
  return history;
}

const told = (history) => history.gestures.map(({ id, undone, touched }) => [id, undone, ...touched]);

test("a copy of a history and what it was made of go on apart", () => {
  const history = historyOf(3, 1);
  const before = told(history);
  const copy = history.copy();
  copy.touch(2, "copy");
  copy.turn(3, true);
  assert.deepEqual(told(history), before);
  const after = told(copy);
  history.touch(2, "original");
  history.turn(1, true);
  history.open(4);
  assert.deepEqual(told(copy), after);
  assert.deepEqual(after, [[1, false, "1:0"], [2, false, "2:0", "copy"], [3, true, "3:0"]]);
  assert.deepEqual(told(history), [[2, false, "2:0", "original"], [3, false, "3:0"], [4, false]]);
});

test("a copy of a history shares what neither changes", () => {
  const history = historyOf(200, 5);
  const copy = history.copy();
  copy.touch(200, "more");
  const own = copy.gestures.filter((gesture, at) => gesture !== history.gestures[at]);
  assert.deepEqual(own.map(({ id }) => id), [200]);
  assert.equal(copy.gestures[0].touched, history.gestures[0].touched);
});

test("an element with other values is one, and leaves the one that it was made of as it is", () => {
  const [element] = restored().visible();
  const { key, properties } = element;
  const other = element.with({ key: "preview", properties: { ...properties, offset: [8, 8] } });
  assert.equal(other.anchor.join(), element.anchor.join(), "it knows what an element knows");
  assert.deepEqual([other.key, other.properties.offset], ["preview", [8, 8]]);
  assert.deepEqual([element.key, element.properties], [key, properties]);
});

test("every property that the protocol has is a row of the table", () => {
  assert.deepEqual(Object.keys(PROPERTIES).sort(), [...PROPERTY_NAMES].sort());
  assert.deepEqual(Object.keys(madeWith({}, 1)).sort(), [...PROPERTY_NAMES].sort(), "an element is made with each of them");
  const values = { offset: [3, -4], matrix: [0.5, 0, 0.25, 1] };
  for (const [name, row] of Object.entries(PROPERTIES)) {
    const value = values[name] ?? row.later ?? `a ${name}`;
    const property = propertyOf(name, value);
    assert.equal(property.name, name);
    assert.deepEqual(row.fromWire(property), value, name);
  }
  assert.deepEqual(SEEN, ["colour", "fill", "width", "offset", "text", "dash", "matrix"]);
  assert.deepEqual(LATER, ["dash", "matrix", "locked", "group"]);
});
