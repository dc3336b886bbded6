// Faults that were found in trials of the page: input, state and loss. Each test holds the right value.

import assert from "node:assert/strict";
import { test } from "node:test";
import { devices } from "playwright-core";
import { agree, fingers, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/trial-${name}`;

// A second contact

/** A finger draws with a tool through places, then a second contact comes, and both are lifted. */
async function interrupted(key, places, dash = "solid") {
  const phone = await the.browser.person(board(`contact-${key}-${dash}-${places.length}`), devices["Pixel 7"]);
  await phone.presses(key);
  await phone.page.evaluate((dash) => globalThis.inkwire.toolbar.choose({ dash }), dash);
  const touch = await fingers(phone);
  await touch("touchStart", places[0]);
  for (const place of places.slice(1)) await touch("touchMove", place);
  await touch("touchStart", places.at(-1), [330, 600]);
  await touch("touchEnd");
  return phone;
}

for (const [what, key, dash] of [["a stroke", "p"], ["a dashed stroke", "p", "dashed"], ["a highlight", "m"], ["a rectangle", "r"]]) {
  test(`a second contact keeps ${what} that is already long, which undo takes away`, async () => {
    const phone = await interrupted(key, wave(60, 300, 20), dash);
    await phone.sees("what was drawn", ({ elements, pending }) => elements.length === 1 && !elements[0].live && pending === 0);
    const bob = await the.browser.person(phone.page.url());
    await agree(phone, bob);
    await phone.presses("Control+z");
    await bob.sees("that undo takes it away", ({ elements }) => elements.length === 0);
  });
}

for (const [what, places] of [["short", wave(60, 300, 4)], ["of a finger that trembles", Array.from({ length: 20 }, (_, at) => [60 + (at % 2) * 4, 300])]]) {
  test(`a second contact takes back a stroke that is ${what}`, async () => {
    const phone = await interrupted("p", places);
    const { elements } = await phone.sees("nothing on its way", ({ pending }) => pending === 0);
    assert.equal(elements.length, 0);
  });
}

test("Escape takes back also a stroke that is long", async () => {
  const ada = await the.browser.person(board("escape"));
  await ada.draws(wave(200, 300), { lifts: false });
  await ada.presses("Escape");
  await ada.lifts();
  const { elements } = await ada.sees("nothing on its way", ({ pending }) => pending === 0);
  assert.equal(elements.length, 0);
});
