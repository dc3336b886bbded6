// Faults that trials of the page found in input methods, files, the clipboard, printing, texts and colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedHouse } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/trials-${name}`;

/** Presses a key as an input method does that still composes, or as Safari does with the key that ends a composition. */
const composes = (person, selector, key, init) =>
  person.page.evaluate(([selector, key, init]) => {
    const event = new KeyboardEvent("keydown", { key, ...init, bubbles: true, cancelable: true });
    document.querySelector(selector).dispatchEvent(event);
  }, [selector, key, init]);

test("keys of an input method close neither sheet nor text and choose no tool", async () => {
  const ada = await the.browser.person(board("composition"));
  for (const sign of [{ isComposing: true }, { keyCode: 229 }]) {
    await ada.page.click("#people");
    await composes(ada, "#person-name", "Enter", sign);
    assert.ok(await ada.page.isVisible("#person"), "the sheet is open");
    await ada.page.press("#person-name", "Enter");
    assert.ok(await ada.page.isHidden("#person"), "Enter alone closes it");
    await composes(ada, "body", "r", sign);
    assert.equal(await ada.page.getAttribute("body", "data-tool"), "pen");
    await ada.writes("t", [300, 300], "words");
    await composes(ada, "#writing", "Escape", sign);
    await composes(ada, "#writing", "Enter", { ctrlKey: true, ...sign });
    assert.ok(await ada.page.isVisible("#writing"), "the text is open");
    await ada.presses("Escape");
    assert.ok(await ada.page.isHidden("#writing"), "Escape alone finishes it");
    await ada.presses("p");
  }
});

test("fields have letters of 16 pixels where a finger points, also a text on a board seen from afar", async () => {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const ada = await the.browser.person(board("phone"), phone);
  const small = () => ada.page.evaluate(() => {
    const fields = document.querySelectorAll("input:not([type=checkbox], [type=range], [type=color], [type=file]), select, textarea");
    return Array.from(fields).filter((it) => parseFloat(getComputedStyle(it).fontSize) < 16).map(({ id, name }) => id || name);
  });
  await ada.page.evaluate(() => globalThis.inkwire.zoomTo(0.25));
  await ada.writes("n", [100, 200], "words on a note");
  assert.deepEqual(await small(), []);
  const field = await ada.page.locator("#writing").boundingBox();
  assert.equal(Math.round(field.width), 200, "it is as large as it would be otherwise");
  await ada.presses("Control+Enter");
  const [note] = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ content }) => content));
  assert.equal(note.size, 20 * 2 ** note.scale * 4);
  await ada.page.evaluate(() => globalThis.inkwire.toolbar.choose({ width: 2 }));
  await ada.writes("t", [100, 500], "small");
  const { height } = await ada.page.locator("#writing").boundingBox();
  assert.equal(Math.round(height), 20);
  await ada.page.evaluate(() => globalThis.inkwire.zoomTo(0.125));
  assert.deepEqual(await small(), []);
  const half = await ada.page.locator("#writing").boundingBox();
  assert.equal(Math.round(half.height), 10, "and shrinks with the board");
});
