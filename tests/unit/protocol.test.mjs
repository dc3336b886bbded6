// The page's codec passes the committed vectors of the protocol.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DecodeError, fromHex, toHex } from "../../static/js/protocol/bytes.js";
import { decodeClient, decodeServer, encodeClient, encodeServer } from "../../static/js/protocol/codec.js";

const vectors = JSON.parse(readFileSync(new URL("../../server/protocol/vectors.json", import.meta.url)));
const sides = { client: [decodeClient, encodeClient], server: [decodeServer, encodeServer] };

const ruleOf = (act) => {
  try {
    act();
  } catch (error) {
    if (error instanceof DecodeError) return error.rule;
    throw error;
  }
  return "none";
};

/** Messages as the page reads them: the ink of a snapshot is in columns of absolute points. */
const inColumns = (messages) =>
  messages.map((message) => (message.type === "elements" ? { ...message, elements: message.elements.map(inked) } : message));

function inked(element) {
  const { points, ...content } = element.content;
  if (!points) return element;
  const { x, y, pressure = 0 } = content.begin;
  const summed = (first, steps) => steps.reduce((all, step) => [...all, all.at(-1) + step], [first]);
  const axis = (at) => points.steps.map((step) => step[at]);
  const pressures = points.pressures ?? points.steps.map(() => 0);
  return { ...element, content: { ...content, ink: { x: summed(x, axis(0)), y: summed(y, axis(1)), pressure: summed(pressure, pressures) } } };
}

test("every accepted packet decodes to its messages and back", () => {
  for (const { name, from, bytes, messages } of vectors.accept) {
    const [decode, encode] = sides[from];
    assert.deepEqual(decode(fromHex(bytes)), inColumns(messages), name);
    assert.equal(toHex(encode(inColumns(messages))), bytes, name);
  }
});

test("every broken packet is rejected with its named error", () => {
  for (const { name, from, bytes, error } of vectors.reject) {
    assert.equal(ruleOf(() => sides[from][0](fromHex(bytes))), error, name);
  }
});

test("every strict prefix is rejected as truncated", () => {
  for (const { name, from, bytes, messages } of vectors.accept) {
    if (messages.length > 1) continue;
    const whole = fromHex(bytes);
    const step = Math.max(1, Math.floor(whole.length / 200));
    for (let length = 1; length < whole.length; length += step) {
      assert.equal(ruleOf(() => sides[from][0](whole.subarray(0, length))), "truncated", name);
    }
  }
});
