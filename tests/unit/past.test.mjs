// The past of a board: any moment of it comes to the hash that the board had then.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Board, Diverged } from "../../static/js/board/board.js";
import { OfAuthor, Past } from "../../static/js/board/past.js";
import { timelapse } from "../../static/js/files/timelapse.js";
import { Timeline } from "../../static/js/board/timeline.js";
import { drawn } from "./log.mjs";

test("any moment of a hundred thousand operations has the hash that the board had then", () => {
  const { entries, hashes } = drawn(100_000);
  const past = new Past();
  for (let first = 1; first <= entries.length; first += 4_096) {
    const part = entries.slice(first - 1, first + 4_095);
    past.add({ firstSeq: first, lastSeq: entries.length, hash: hashes[first + part.length - 1], entries: part });
  }
  assert.equal(past.seq, 100_000);
  for (let seq = 0; seq <= 100_000; seq += 3_333) assert.equal(past.at(seq).hash.toString(), hashes[seq], `operation ${seq}`);
  assert.equal(past.tip.hash.toString(), hashes[100_000], "and going back has changed nothing");
  assert.equal(past.forward(past.at(500), 70_001).hash.toString(), hashes[70_001], "forward from there");
});

test("no moment of a hundred thousand operations is far from a board that is kept", (context) => {
  const { entries, hashes } = drawn(100_000);
  const past = new Past();
  past.add({ firstSeq: 1, lastSeq: 100_000, hash: hashes[100_000], entries });
  const { mock: replayed } = context.mock.method(Board.prototype, "replay");
  for (let seq = 0; seq <= 100_000; seq += 1_111) {
    replayed.resetCalls();
    past.at(seq);
    assert.ok(replayed.callCount() <= 100_000 / 24 + 1, `operation ${seq}: ${replayed.callCount()}`);
  }
});

test("what is different between two moments is all that looks different", () => {
  const { entries, hashes } = drawn(2_000);
  const past = new Past();
  past.add({ firstSeq: 1, lastSeq: 2_000, hash: hashes[2_000], entries });
  const look = (board) => new Map(Array.from(board.visible(), ({ key, properties, ink }) => [key, JSON.stringify([properties, ink])]));
  for (const [seq, later] of [[0, 2_000], [100, 101], [1_000, 1_700]]) {
    const board = past.at(seq);
    const [before, after] = [look(board), look(past.at(later))];
    const different = [...before.keys(), ...after.keys()].filter((key) => before.get(key) !== after.get(key));
    const found = past.differences(board, later);
    assert.ok(different.every((key) => found.has(key)), `${seq} to ${later}`);
    assert.ok(found.size < entries.length && (later > seq + 1 || found.size < 3), "and little else");
    assert.equal(board.hash.toString(), hashes[seq], "the board stays where it was");
  }
});

test("a past that does not follow, or comes to another hash, is refused", () => {
  const { entries, hashes } = drawn(100);
  const past = new Past();
  const part = (firstSeq, from, to) => ({ firstSeq, lastSeq: 100, hash: hashes[to], entries: entries.slice(from, to) });
  assert.throws(() => past.add(part(2, 1, 9)), Diverged);
  past.add(part(1, 0, 50));
  assert.throws(() => past.add({ ...part(51, 50, 100), hash: hashes[99] }), Diverged);
});

test("the ink of one author is seen alone", () => {
  const { entries, hashes } = drawn(300);
  const past = new Past();
  past.add({ firstSeq: 1, lastSeq: 300, hash: hashes[300], entries });
  const board = past.at(300);
  const ofTwo = Array.from(new OfAuthor(board, 2).visible());
  assert.ok(ofTwo.length > 0 && ofTwo.every(({ author }) => author === 2));
  assert.equal(new OfAuthor(board, 1).element(ofTwo[0].key), undefined);
});

test("a replay goes from the first operation to the last, and leaves out long pauses", () => {
  const moments = [{ seq: 1, at: 1_000 }, { seq: 11, at: 2_000 }, { seq: 21, at: 3_600_000 }];
  const timeline = new Timeline(moments, 30);
  assert.equal(timeline.seqAt(0), 0);
  assert.equal(timeline.seqAt(timeline.length), 30);
  assert.ok(timeline.length < 6_000, "an hour in which nobody drew is not waited for");
  for (let seq = 0; seq <= 30; seq++) assert.equal(timeline.seqAt(timeline.msOf(seq)), seq);
  assert.equal(timeline.when(15), 2_000);
  assert.equal(timeline.when(30), 3_600_000);
  assert.equal(new Timeline([], 10).when(3), undefined);
  assert.equal(new Timeline([], 10).seqAt(1e9), 10);
});

test("a time-lapse is one SVG with every look of an element, and nothing that runs or is fetched", () => {
  const { entries, hashes } = drawn(200);
  const past = new Past();
  past.add({ firstSeq: 1, lastSeq: 200, hash: hashes[200], entries });
  const svg = timelapse(past, new Timeline([], 200));
  assert.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.ok(!/<script|href="http|on\w+=/.test(svg));
  const visible = Array.from(past.tip.visible()).length;
  assert.equal(svg.match(/<g visibility="visible">/g).length, visible, "without animation the last picture is seen");
  assert.ok(svg.match(/<animate /g).length > visible, "what was there before is there too");
  for (const [times] of svg.matchAll(/keyTimes="[^"]+"/g)) {
    const numbers = times.slice(10, -1).split(";").map(Number);
    assert.ok(numbers[0] === 0 && numbers.every((it, at) => it <= 1 && (at === 0 || it >= numbers[at - 1])), times);
  }
});

test("a copy of a board goes its own way", () => {
  const { entries, hashes } = drawn(400);
  const board = new Board();
  entries.slice(0, 200).forEach((entry, at) => board.replay(at + 1, entry));
  const copy = board.copy();
  entries.slice(200).forEach((entry, at) => copy.replay(201 + at, entry));
  assert.equal(board.hash.toString(), hashes[200]);
  assert.equal(copy.hash.toString(), hashes[400]);
});
