// What two people make of the same words at once is joined, and nothing that either wrote is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { merged } from "../../static/js/tools/writing.js";

const CASES = [
  ["both add at the end", "base", "base ADA", "base BOB", "base ADA BOB"],
  ["one adds before, one behind", "base", "ADA base", "base BOB", "ADA base BOB"],
  ["one changes the first word, one the last", "one two three", "ONE two three", "one two THREE", "ONE two THREE"],
  ["the other way round", "one two three", "one two THREE", "ONE two three", "ONE two THREE"],
  ["both change the same word", "the house", "the old house", "the new house", "the old new house"],
  ["both replace the same word", "the house", "the barn", "the hut", "the barn\nhut"],
  ["one takes away what the other adds to", "one two three", "one", "one two and three", "one two and three"],
  ["one takes all away", "one two", "", "one two three", " three"],
  ["only the other one wrote", "base", "base ADA", "base", "base ADA"],
  ["only this one wrote", "base", "base", "base BOB", "base BOB"],
  ["both wrote the same", "base", "base!", "base!", "base!"],
  ["letters of several units are never cut", "a 👩‍🚀 b", "a 👨‍🚀 b", "a 👩‍🚀 b c", "a 👨‍🚀 b c"],
  ["lines", "first\nsecond", "first\nmiddle\nsecond", "first\nsecond\nthird", "first\nmiddle\nsecond\nthird"],
];

for (const [what, base, theirs, own, both] of CASES) {
  test(`words of two people are joined: ${what}`, () => assert.equal(merged(base, theirs, own), both));
}

test("whatever two people write, the new words of both are in what is joined", () => {
  // A fixed sequence that looks like chance.
  let state = 1;
  const any = (count) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % count;
  };
  const written = (words, name) => {
    const from = any(words.length + 1);
    const to = from + any(words.length + 1 - from);
    return [...words.slice(0, from), name, ...words.slice(to)];
  };
  for (let time = 0; time < 2_000; time++) {
    const words = Array.from({ length: any(6) }, () => ["a", "b", "c"][any(3)]);
    const both = merged(words.join(" "), written(words, "ADA").join(" "), written(words, "BOB").join(" "));
    assert.ok(both.includes("ADA") && both.includes("BOB"), `${words}: ${both}`);
  }
});
