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
