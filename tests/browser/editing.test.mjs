// Editing: what is selected is moved, scaled, turned, copied, arranged, grouped and locked, each as one step that can be taken back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agree, sharedHouse, violations, wave } from "./house.mjs";

const the = sharedHouse();

/** A page with three rectangles, at 200, 300 and 450 across. */
async function withShapes(name) {
  const ada = await the.browser.person(`${the.server.url}b/${name}`);
  await ada.presses("r");
  for (const [x, y, size] of [[200, 200, 60], [300, 230, 40], [450, 300, 80]]) await ada.draws([[x, y], [x + size, y + size]]);
  await ada.presses("v");
  return ada;
}

/** The boxes of all elements on the board, in painting order, rounded. */
const boxes = (person) =>
  person.page.evaluate(() => {
    const { exchange, stage } = globalThis.inkwire;
    return exchange.elements("board").map((element) => stage.painter.bounds(element).map(Math.round));
  });

const lefts = async (person) => (await boxes(person)).map(([left]) => left);
const selected = (person) => person.page.evaluate(() => globalThis.inkwire.selection.keys.size);

test("a tap, Shift, a box and a lasso select; Escape lets go", async () => {
  const ada = await withShapes("select");
  await ada.page.mouse.click(200, 230);
  assert.equal(await selected(ada), 1);
  await ada.page.keyboard.down("Shift");
  await ada.page.mouse.click(300, 250);
  await ada.page.keyboard.up("Shift");
  assert.equal(await selected(ada), 2);
  await ada.presses("Escape");
  assert.equal(await selected(ada), 0);
  await ada.draws([[150, 150], [380, 320]]);
  assert.equal(await selected(ada), 2, "what is wholly in the box");
  await ada.presses("q");
  await ada.draws([[420, 260], [560, 270], [550, 400], [430, 400], [420, 265]]);
  assert.equal(await selected(ada), 1, "what the lasso is around");
  await ada.page.mouse.click(700, 500);
  assert.equal(await selected(ada), 0);
});

test("handles scale and turn, and one undo takes each back", async () => {
  const ada = await withShapes("handles");
  await ada.page.mouse.click(450, 340);
  const [, , before] = await boxes(ada);
  await ada.draws([[before[2] + 5, before[3] + 5], [before[2] + 105, before[3] + 55]]);
  const [, , after] = await boxes(ada);
  assert.ok(after[2] - before[2] > 90 && after[3] - before[3] > 40, `${before} became ${after}`);
  await ada.presses("Control+z");
  assert.deepEqual((await boxes(ada))[2], before);
  const middle = [(before[0] + before[2]) / 2, before[1] - 26];
  await ada.page.keyboard.down("Shift");
  await ada.draws([middle, [middle[0] + 120, middle[1] + 120]]);
  await ada.page.keyboard.up("Shift");
  const matrix = await ada.page.evaluate(() => globalThis.inkwire.selection.elements[0].properties.matrix);
  assert.ok(Math.abs(matrix[1]) > 0.2, `turned: ${matrix}`);
  await ada.presses("Control+z");
  assert.deepEqual((await boxes(ada))[2], before);
});

test("what is dragged away and back again is where it was", async () => {
  const ada = await withShapes("back");
  const bob = await the.browser.person(`${the.server.url}b/back`);
  const before = await boxes(ada);
  await ada.draws([[200, 230], [500, 500]], { lifts: false });
  // Others see it on its way: a few things are shared as they move.
  await ada.page.waitForFunction((from) => performance.now() - from > 100, await ada.page.evaluate(() => performance.now()));
  await ada.moves([[510, 510]]);
  await bob.page.waitForFunction((before) => globalThis.inkwire.exchange.elements("board")[0].properties.offset[0] !== before, 0);
  await ada.moves([[200, 230]]);
  await ada.lifts();
  await ada.isLive();
  assert.deepEqual(await boxes(ada), before);
  await agree(ada, bob);
});

test("copies, the clipboard and deleting", async () => {
  const ada = await withShapes("copies");
  const bob = await the.browser.person(`${the.server.url}b/copies`);
  await ada.presses("Control+a");
  await ada.presses("Control+d");
  await ada.sees("twice", ({ elements }) => elements.length === 6);
  await ada.presses("Control+x");
  await ada.sees("cut", ({ elements }) => elements.length === 3);
  await ada.page.mouse.move(700, 400);
  await ada.presses("Control+v");
  await ada.sees("pasted", ({ elements }) => elements.length === 6);
  await ada.presses("Delete");
  await ada.sees("deleted", ({ elements }) => elements.length === 3);
  await ada.presses("Control+z");
  await ada.presses("Control+z");
  await ada.sees("only what was there before pasting", ({ elements }) => elements.length === 3);
  await agree(ada, bob);
});

test("aligning, spreading, and the order of painting", async () => {
  const ada = await withShapes("arrange");
  await ada.presses("Control+a");
  await ada.page.click('[data-command="spreadAcross"]');
  const [a, b, c] = await boxes(ada);
  assert.ok(Math.abs(b[0] - a[2] - (c[0] - b[2])) <= 1, `gaps between ${a}, ${b}, ${c}`);
  await ada.page.click('[data-command="left"]');
  assert.equal(new Set(await lefts(ada)).size, 1);
  await ada.presses("Control+z");
  await ada.presses("Control+z");
  assert.deepEqual(await lefts(ada), [198, 298, 448]);
  await ada.presses("Escape");
  await ada.page.mouse.click(200, 230);
  const order = async (...keys) => {
    for (const key of keys) await ada.presses(key);
    return lefts(ada);
  };
  assert.deepEqual(await order("Control+]"), [298, 198, 448]);
  assert.deepEqual(await order("Control+Shift+]"), [298, 448, 198]);
  assert.deepEqual(await order("Control+["), [298, 198, 448]);
  assert.deepEqual(await order("Control+Shift+["), [198, 298, 448]);
  assert.deepEqual(await order("Control+z", "Control+z"), [298, 448, 198]);
});

test("a group is one thing, and what is locked is left alone", async () => {
  const ada = await withShapes("group");
  await ada.presses("Control+a");
  await ada.presses("Control+g");
  await ada.presses("Escape");
  await ada.page.mouse.click(200, 230);
  assert.equal(await selected(ada), 3, "a tap on one takes all");
  await ada.presses("Control+Shift+g");
  await ada.presses("Escape");
  await ada.page.mouse.click(200, 230);
  assert.equal(await selected(ada), 1);
  await ada.presses("Control+l");
  await ada.page.mouse.click(200, 230);
  assert.equal(await selected(ada), 0, "what is locked is not selected");
  await ada.presses("e");
  await ada.draws([[190, 230], [210, 230]]);
  assert.equal((await ada.state()).elements.length, 3, "nor erased");
  await ada.presses("Control+Shift+l");
  await ada.presses("e");
  await ada.draws([[190, 230], [210, 230]]);
  assert.equal((await ada.state()).elements.length, 2);
});

test("one of several locked things is unlocked, by a tap or from the list", async () => {
  const ada = await withShapes("unlock");
  const free = () => ada.page.evaluate(() => Array.from(globalThis.inkwire.session.board.visible(), ({ properties }) => !properties.locked));
  const lockAll = async () => {
    await ada.presses("Control+a");
    await ada.presses("Control+l");
    assert.deepEqual(await free(), [false, false, false]);
  };
  const offer = ada.page.locator("#locked [role=menuitem]");
  await lockAll();
  await ada.page.mouse.click(200, 230);
  assert.equal(await selected(ada), 0, "a tap offers and does nothing");
  assert.deepEqual(await violations(ada.page), []);
  await offer.click();
  assert.deepEqual(await free(), [true, false, false]);
  assert.equal(await selected(ada), 1, "what is free can be gone on with");
  assert.equal(await offer.count(), 0);
  await lockAll();
  for (const away of [() => ada.page.mouse.click(700, 500), () => ada.presses("Escape"), () => ada.presses("p")]) {
    await ada.presses("v");
    await ada.page.mouse.click(200, 230);
    assert.equal(await offer.count(), 1);
    await away();
    assert.equal(await offer.count(), 0);
  }
  await ada.presses("v");
  await ada.draws([[200, 230], [230, 260]]);
  assert.equal(await offer.count(), 0, "a box that begins there is a box");
  await ada.presses("Shift+o");
  await ada.page.click("#objects-list li:nth-child(2) button");
  await offer.click();
  assert.deepEqual(await free(), [false, true, false]);
});

test("what somebody locks is not selected any more", async () => {
  const ada = await withShapes("locked-by-another");
  const bob = await the.browser.person(`${the.server.url}b/locked-by-another`);
  await agree(ada, bob);
  await ada.presses("Control+a");
  await bob.presses("v");
  await bob.page.mouse.click(200, 230);
  await bob.presses("Control+l");
  await ada.page.waitForFunction(() => globalThis.inkwire.selection.keys.size === 2);
});

test("what is selected takes another style, and things snap to the grid", async () => {
  const ada = await withShapes("restyle");
  await ada.presses("Control+a");
  await ada.page.click('#colours [data-colour="#2b8a3e"]');
  await ada.page.click("#widths button:last-child");
  const styles = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ properties: { colour, width } }) => [colour, width]));
  assert.deepEqual(styles, Array(3).fill(["#2b8a3eff", 128]));
  await ada.presses("Escape");
  await ada.presses("g");
  await ada.presses("r");
  await ada.draws([[603, 404], [688, 477]]);
  const sides = await ada.page.evaluate(() => {
    const { content } = globalThis.inkwire.exchange.elements("board").at(-1);
    return [content.x, content.y, content.dx, content.dy].map((side) => side / 8);
  });
  assert.deepEqual(sides, [600, 400, 80, 80]);
});

test("the toolbar shows the style of what is selected, and what is not chosen stays its own", async () => {
  const ada = await withShapes("style-of");
  const chosen = (id) => ada.page.evaluate((id) => Array.from(document.querySelectorAll(`${id} [aria-pressed="true"]`), (it) => it.title || it.ariaLabel), id);
  const shown = async () => [...(await chosen("#colours")), ...(await chosen("#widths")), ...(await chosen("#fills")), ...(await chosen("#dashes"))];
  const look = () => ada.page.evaluate(() => globalThis.inkwire.selection.elements.map(({ properties: { colour, fill, width, dash } }) => [colour, fill, width, dash].join(" ")));
  const picks = (selector) => ada.page.evaluate((selector) => document.querySelector(selector).click(), selector);
  const OWN = ["Black", "Width 4", "No fill", "Solid line"];
  await ada.page.mouse.click(200, 230);
  for (const selector of ['[data-colour="#e03231"]', "#widths button:nth-child(3)", ".fill-solid", ".dash-dotted"]) await picks(selector);
  const red = ["Red", "Width 8", "Solid fill", "Dotted line"];
  assert.deepEqual(await shown(), red);
  await ada.presses("Escape");
  for (const selector of ['[data-colour="#1971c2"]', "#widths button:nth-child(2)", ".fill-light", ".dash-solid"]) await picks(selector);
  assert.deepEqual(await shown(), ["Blue", "Width 4", "Light fill", "Solid line"], "of the next thing");
  await ada.page.mouse.click(200, 230);
  assert.deepEqual(await shown(), red, "of what is selected");
  await picks(".fill-light");
  assert.deepEqual(await look(), ["#e03231ff #e0323140 64 dotted"], "its inside has its own colour");
  await ada.page.evaluate(() => globalThis.inkwire.camera.zoomTo(1.3));
  await picks("#widths button:nth-child(2)");
  assert.deepEqual(await chosen("#widths"), ["Width 4"], "also at a zoom that is no round number");
  await ada.presses("Control+z");
  await ada.page.evaluate(() => globalThis.inkwire.camera.see(new globalThis.inkwire.viewport.constructor()));
  await ada.presses("]");
  assert.deepEqual(await look(), ["#e03231ff #e0323140 128 dotted"], "broader than it was, not than the pen is");
  await ada.page.keyboard.down("Shift");
  await ada.page.mouse.click(300, 250);
  await ada.page.keyboard.up("Shift");
  assert.deepEqual(await shown(), [], "nothing is the same");
  await ada.presses("Escape");
  await ada.page.mouse.click(300, 250);
  assert.deepEqual(await shown(), OWN);
  await ada.page.evaluate(() => globalThis.inkwire.camera.zoomTo(2));
  await ada.page.waitForFunction(() => document.querySelector('#widths [aria-pressed="true"]')?.matches(":nth-child(3)"));
});

test("undo and redo are one's own, and go on after a reload", async () => {
  const ada = await the.browser.person(`${the.server.url}b/own-undo`);
  const bob = await the.browser.person(`${the.server.url}b/own-undo`);
  await ada.draws(wave(100, 200));
  await bob.draws(wave(100, 300));
  await ada.presses("v");
  await ada.page.mouse.click(160, 200 + 40 * Math.sin(5 / 3));
  await ada.presses("Shift+ArrowRight");
  await ada.isLive();
  await ada.page.reload();
  await ada.isLive();
  const offset = () => ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ properties }) => properties.offset[0] / 8));
  assert.deepEqual(await offset(), [10, 0]);
  await ada.presses("Control+z");
  assert.deepEqual(await offset(), [0, 0]);
  await ada.presses("Control+z");
  await ada.presses("Control+z");
  await agree(ada, bob);
  assert.equal((await bob.state()).elements.length, 1, "his own ink stays");
  await ada.presses("Control+Shift+z");
  await ada.presses("Control+Shift+z");
  assert.deepEqual(await offset(), [10, 0]);
});
