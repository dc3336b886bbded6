// Gestures and keys as trials of the page found them wrong: who zooms, keyboards on which signs stand elsewhere, hands beside pens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedHouse } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/${name}`;

const view = (person) => person.page.evaluate(() => (({ x, y, zoom }) => ({ x, y, zoom }))(globalThis.inkwire.viewport));

/** Turns the wheel at a place, and says what became of the board and whether the browser was left something to do. */
async function turns(person, [x, y], { by = [0, -100], key = undefined } = {}) {
  const before = await view(person);
  await person.page.evaluate(() => {
    globalThis.turned = new Promise((done) => addEventListener("wheel", (event) => done(event.defaultPrevented), { once: true }));
  });
  await person.page.mouse.move(x, y);
  if (key) await person.page.keyboard.down(key);
  await person.page.mouse.wheel(...by);
  if (key) await person.page.keyboard.up(key);
  const isTaken = await person.page.evaluate(() => globalThis.turned);
  const after = await view(person);
  return { isTaken, zooms: after.zoom !== before.zoom, moves: after.zoom === before.zoom && (after.x !== before.x || after.y !== before.y) };
}

const middleOf = async (person, selector) => {
  const { x, y, width, height } = await person.page.locator(selector).first().boundingBox();
  return [x + width / 2, y + height / 2];
};

const ZOOMS = { isTaken: true, zooms: true, moves: false };
const MOVES = { isTaken: true, zooms: false, moves: true };
const LEFT = { isTaken: false, zooms: false, moves: false };

test("the wheel zooms and moves the board wherever the pointer is, but in what scrolls itself", async () => {
  const ada = await the.browser.person(board("wheel"));
  await ada.writes("t", [400, 200], "hello world");
  for (const selector of ["#writing", "#live", "#toolbar", "#bar .group", "#minimap"]) {
    const place = await middleOf(ada, selector);
    assert.deepEqual(await turns(ada, place, { key: "Control" }), ZOOMS, `${selector}, with Ctrl`);
    assert.deepEqual(await turns(ada, await middleOf(ada, selector)), MOVES, selector);
  }
  await ada.presses("Escape");
  await ada.page.evaluate(() => document.querySelector("#tools").style.setProperty("max-width", "120px"));
  const strip = await middleOf(ada, "#tools");
  assert.deepEqual(await turns(ada, strip, { by: [60, 0] }), LEFT, "a strip is pushed along");
  assert.deepEqual(await turns(ada, strip), MOVES, "in a direction in which it does not scroll, the board moves");
  await ada.presses("?");
  assert.deepEqual(await turns(ada, await middleOf(ada, "#help")), LEFT, "a sheet scrolls");
  assert.deepEqual(await turns(ada, await middleOf(ada, "#help"), { key: "Control" }), ZOOMS, "the browser never zooms");
});

test("the browser's keys of zooming mean the board, all of them, wherever the focus is", async () => {
  const ada = await the.browser.person(board("keys"));
  await ada.page.evaluate(() => addEventListener("keydown", (event) => (globalThis.isTaken = event.defaultPrevented)));
  const zooms = async (where) => {
    for (const [keys, zoom] of [["Control+0", 1], ["Control+Equal", 1.25], ["Control+Minus", 1], ["Control+Shift+Minus", 0.8], ["Control+Shift+Equal", 1], ["Meta+NumpadAdd", 1.25]]) {
      await ada.presses(keys);
      assert.ok(await ada.page.evaluate(() => globalThis.isTaken), `${keys} ${where}`);
      assert.ok(Math.abs((await view(ada)).zoom - zoom) < 1e-9, `${keys} ${where}: ${(await view(ada)).zoom}`);
    }
  };
  await zooms("on the board");
  await ada.writes("t", [300, 200], "2+2=4-0");
  await zooms("in a text");
  assert.equal(await ada.page.inputValue("#writing"), "2+2=4-0");
  await ada.presses("Escape");
  await ada.page.click("#people");
  await zooms("in the field of a sheet");
  await ada.presses("Escape");
  await ada.page.click("#menu-button");
  await zooms("in a sheet");
});
