// What happens while something else is being done: somebody else's deed in the middle of one's own, a key in the middle of a drag.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agree, fingers, sharedHouse } from "./house.mjs";

const the = sharedHouse();

const two = async (board) => [
  await the.browser.person(`${the.server.url}b/${board}`, { name: "Ada" }),
  await the.browser.person(`${the.server.url}b/${board}`, { name: "Bob" }),
];

const texts = (person) =>
  person.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ properties }) => properties.text));

/** The boxes of all elements, rounded. */
const boxes = (person) =>
  person.page.evaluate(() => {
    const { exchange, stage } = globalThis.inkwire;
    return exchange.elements("board").map((element) => stage.painter.bounds(element).map(Math.round));
  });

const tool = (person) => person.page.evaluate(() => globalThis.inkwire.toolbar.tool.name);

/** A text on the board, which both have open in their fields. */
async function bothWrite(board) {
  const [ada, bob] = await two(board);
  await ada.writes("t", [300, 300], "Old words");
  await ada.presses("Escape");
  await bob.sees("the text", ({ elements }) => elements.length === 1);
  for (const person of [ada, bob]) {
    await person.presses("v");
    await person.page.mouse.dblclick(330, 312);
    await person.page.locator("#writing").waitFor();
  }
  return [ada, bob];
}

test("who only looked into a text does not write it over what another has written", async () => {
  const [ada, bob] = await bothWrite("looked");
  await ada.page.keyboard.type(" and Ada's");
  await ada.presses("Escape");
  await bob.page.waitForFunction(() => globalThis.inkwire.exchange.elements("board")[0].properties.text.includes("Ada's"));
  await bob.presses("Escape");
  await agree(ada, bob);
  assert.match((await texts(bob))[0], /Ada's/);
});

test("words that are typed into a text that somebody deletes are a text of their own", async () => {
  const [ada, bob] = await bothWrite("deleted");
  await ada.page.keyboard.type(" and a paragraph");
  await bob.presses("Escape");
  await bob.page.evaluate(() => globalThis.inkwire.editing.selectAll());
  await bob.presses("Delete");
  await ada.sees("nothing", ({ elements }) => elements.length === 0);
  await ada.presses("Escape");
  await bob.sees("the words", ({ elements }) => elements.length === 1);
  assert.match((await texts(bob))[0], /and a paragraph/);
});

test("whoever draws and follows somebody is taken along when the stroke is done", async () => {
  const [ada, bob] = await two("followed");
  const author = await ada.page.evaluate(() => globalThis.inkwire.session.self);
  const left = () => bob.page.evaluate(() => Math.round(globalThis.inkwire.viewport.x));
  await bob.page.evaluate((author) => globalThis.inkwire.presence.follow(author), author);
  await bob.page.waitForFunction(() => globalThis.inkwire.presence.followedView !== undefined);
  await bob.draws([[400, 300], [450, 300]], { lifts: false });
  const before = await left();
  await ada.page.mouse.move(500, 400);
  await ada.page.mouse.wheel(300, 0);
  await bob.page.waitForFunction((author) => globalThis.inkwire.session.people.get(author).view[0] > 200 * 64, author);
  await bob.moves([[600, 300]]);
  assert.equal(await left(), before, "the board stays under the pen");
  await bob.lifts();
  await bob.page.waitForFunction((before) => globalThis.inkwire.viewport.x > before + 200, before);
  const [[, top, , bottom]] = await boxes(bob);
  assert.ok(bottom - top < 12, "a straight line");
});

test("Escape takes back what the mouse has begun, and undo waits for its end", async () => {
  const [ada, bob] = await two("escape");
  await ada.draws([[200, 200], [260, 220], [320, 200]], { lifts: false });
  await ada.presses("Control+z");
  await ada.moves([[400, 260]]);
  await ada.lifts();
  await bob.sees("all of the stroke", ({ elements }) => elements.length === 1 && !elements[0].live);
  const [[, , right]] = await boxes(ada);
  assert.ok(right > 390, "also what was drawn behind the key");
  await ada.draws([[200, 400], [300, 420]], { lifts: false });
  await ada.presses("Escape");
  await ada.moves([[400, 440]]);
  await ada.lifts();
  await ada.presses("r");
  await ada.draws([[500, 400], [600, 460]], { lifts: false });
  await ada.presses("Escape");
  await ada.lifts();
  await agree(ada, bob);
  assert.equal((await bob.state()).elements.length, 1, "neither stroke nor rectangle");
  const before = await boxes(ada);
  await ada.presses("v");
  await ada.draws([[260, 219], [460, 419]], { lifts: false });
  await ada.presses("Escape");
  await ada.lifts();
  await agree(ada, bob);
  assert.deepEqual(await boxes(bob), before, "nor was anything moved");
});

test("what was brought in can be moved at once", async () => {
  const ada = await the.browser.person(`${the.server.url}b/brought`);
  await ada.presses("r");
  await ada.draws([[200, 200], [300, 260]]);
  await ada.presses("v");
  await ada.page.mouse.click(200, 230);
  await ada.presses("Control+c");
  await ada.presses("p");
  await ada.page.mouse.move(500, 400);
  await ada.presses("Control+v");
  await ada.sees("the copy", ({ elements }) => elements.length === 2);
  assert.equal(await tool(ada), "select");
});

test("a finger moves what is thin, and opens a text of one line", async () => {
  const ada = await the.browser.person(`${the.server.url}b/thin`, { hasTouch: true, viewport: { width: 390, height: 844 } });
  await ada.presses("l");
  await ada.draws([[100, 300], [300, 306]]);
  await ada.presses("v");
  const touch = await fingers(ada);
  const tap = async (place) => {
    await touch("touchStart", place);
    await touch("touchEnd");
  };
  await tap([200, 303]);
  const [before] = await boxes(ada);
  // Long enough behind the tap to be none of two.
  await ada.page.waitForTimeout(500);
  await touch("touchStart", [200, 303]);
  for (let y = 313; y <= 403; y += 10) await touch("touchMove", [200, y]);
  await touch("touchEnd");
  const [after] = await boxes(ada);
  assert.deepEqual([after[2] - after[0], after[3] - after[1]], [before[2] - before[0], before[3] - before[1]], "as large as it was");
  assert.ok(after[1] > before[1] + 80, "and elsewhere");
  await ada.writes("t", [100, 500], "one line");
  await ada.presses("Escape");
  const [, [left, top, right, bottom]] = await boxes(ada);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  await tap(middle);
  await tap(middle);
  await ada.page.locator("#writing").waitFor();
});

test("moved and drawn things come to the same places of the grid", async () => {
  const ada = await the.browser.person(`${the.server.url}b/snapped`);
  await ada.page.evaluate(() => globalThis.inkwire.settings.grid.set(true));
  await ada.presses("r");
  await ada.draws([[203, 198], [301, 263]]);
  const corner = () =>
    ada.page.evaluate(() => {
      const [{ content, properties: { offset } }] = globalThis.inkwire.selection.isEmpty ? globalThis.inkwire.exchange.elements("board") : globalThis.inkwire.selection.elements;
      return [content.x + offset[0], content.y + offset[1]].map((side) => side / 2 ** content.scale);
    });
  const onGrid = ([x, y]) => x % 20 === 0 && y % 20 === 0;
  assert.ok(onGrid(await corner()), `drawn: ${await corner()}`);
  await ada.presses("v");
  await ada.draws([[200, 230], [247, 281]]);
  assert.ok(onGrid(await corner()), `moved: ${await corner()}`);
  await ada.presses("Control+d");
  assert.ok(onGrid(await corner()), `copied: ${await corner()}`);
});

test("a word that is too long for a note is whole again when the note is changed", async () => {
  const ada = await the.browser.person(`${the.server.url}b/long-word`);
  const word = "Donaudampfschifffahrtsgesellschaftskapitaen";
  await ada.writes("n", [300, 200], `${word} word`);
  await ada.presses("Escape");
  await ada.page.mouse.dblclick(330, 215);
  await ada.page.locator("#writing").waitFor();
  assert.equal(await ada.page.locator("#writing").inputValue(), `${word} word`);
});

test("a page that is loaded anew is where it was, also where a link pointed elsewhere", async () => {
  const ada = await the.browser.person(`${the.server.url}b/anew#0,0,1`);
  await ada.page.mouse.move(500, 400);
  await ada.page.mouse.wheel(300, 200);
  const place = () => ada.page.evaluate(() => [globalThis.inkwire.viewport.x, globalThis.inkwire.viewport.y].map(Math.round));
  await ada.page.waitForFunction(() => globalThis.inkwire.viewport.x > -300);
  const before = await place();
  await ada.page.reload();
  await ada.isLive();
  assert.deepEqual(await place(), before);
});

test("the keys of the board do what they say where a button has the focus; sheets open at their top", async () => {
  const ada = await the.browser.person(`${the.server.url}b/keys`);
  await ada.page.locator("[data-tool=rectangle]").focus();
  await ada.presses("Enter");
  await ada.presses("Control+Enter");
  assert.equal(await ada.page.evaluate(() => document.activeElement.id), "live");
  await ada.presses("?");
  const help = ada.page.locator("#help");
  await help.waitFor();
  assert.equal(await help.evaluate((sheet) => sheet.scrollTop), 0);
  const close = await help.locator(".close").boundingBox();
  assert.ok(close.y + close.height <= 700, "its way out is seen");
  await ada.presses("Escape");
  await ada.presses("Control+e");
  assert.equal(await ada.page.locator("#export option[value=selection]").evaluate((option) => option.disabled), true, "nothing is selected");
});
