// A socket that is begun before the page listens.

import assert from "node:assert/strict";
import { test } from "node:test";

/** What is to be done later. */
const waits = [];

/** A socket of which the test says what happens to it. */
class Socket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;
  readyState = Socket.CONNECTING;
  sent = [];

  opens() {
    this.readyState = Socket.OPEN;
    this.onopen?.();
  }

  brings(data) {
    this.onmessage({ data });
  }

  closes() {
    this.readyState = Socket.CLOSED;
    this.onclose?.();
  }

  close() {
    this.closes();
  }

  send(data) {
    this.sent.push(data);
  }
}
globalThis.WebSocket = /** @type {any} */ (Socket);
globalThis.setTimeout = /** @type {any} */ ((act) => waits.push(act));
const { dial, dialEarly } = await import("../../static/js/session/dial.js");

const URL = "ws://here/ws/board";
const PING = [{ type: "ping", nonce: 0 }];

/** Listens, and keeps what is heard. */
function heard(dialled) {
  const all = [];
  dialled.heardBy({ opened: () => all.push("opened"), received: (data) => all.push(data), closed: () => all.push("closed") });
  return all;
}

/** When so much has been heard. */
async function heardOf(all, count) {
  while (all.length < count) await new Promise(setImmediate);
}

test("what came before anybody listened is heard first, in its order, and the end last", async () => {
  const { socket } = dialEarly(URL);
  socket.opens();
  for (const data of [1, 2, 3]) socket.brings(data);
  const all = heard(dial(URL));
  socket.brings(4);
  socket.closes();
  await heardOf(all, 6);
  assert.deepEqual(all, ["opened", 1, 2, 3, 4, "closed"]);
});

test("who comes is said once, as soon as there is somebody to hear it", async () => {
  const early = dialEarly(URL);
  early.greet(PING);
  assert.equal(early.socket.sent.length, 0);
  early.socket.opens();
  const all = heard(dial(URL));
  early.socket.brings(1);
  await heardOf(all, 1);
  assert.equal(early.socket.sent.length, 1);
  assert.deepEqual(all, [1]);
});

test("whoever listens before it is open says who comes, as that may be another by then", () => {
  const early = dialEarly(URL);
  early.greet(PING);
  const all = heard(dial(URL));
  early.socket.opens();
  assert.deepEqual([all, early.socket.sent], [["opened"], []]);
});

test("an early socket is given away once, and only for its own address", () => {
  const early = dialEarly(URL);
  assert.notEqual(dial("ws://here/ws/another"), early);
  assert.equal(dial(URL), early);
  assert.notEqual(dial(URL), early);
});

test("one that was lost before anybody listened is heard to be lost", async () => {
  const early = dialEarly(URL);
  early.socket.closes();
  const all = heard(dial(URL));
  await heardOf(all, 1);
  assert.deepEqual(all, ["closed"]);
});

test("where the page does not come, nobody stays on the board", () => {
  const early = dialEarly(URL);
  waits.at(-1)();
  assert.equal(early.socket.readyState, Socket.CLOSED);
  assert.notEqual(dial(URL), early);
});

test("where it does, its socket is left alone", () => {
  const { socket } = dialEarly(URL);
  socket.opens();
  dial(URL);
  waits.at(-1)();
  assert.equal(socket.readyState, Socket.OPEN);
});
