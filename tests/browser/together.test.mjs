// Several people in real browser contexts draw on one board.

import assert from "node:assert/strict";
import { test } from "node:test";
import { agree, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/${name}`;

test("two people see each other's ink while it is drawn, and a third who comes late has the same picture", async () => {
  const ada = await the.browser.person(board("together"), { name: "Ada" });
  const bob = await the.browser.person(board("together"), { name: "Bob" });

  await ada.draws(wave(150, 200), { lifts: false });
  const during = await bob.sees("Ada's live stroke", ({ elements }) => elements.some(({ live, points }) => live && points > 5));
  assert.equal(during.elements.length, 1);
  await bob.draws(wave(200, 260), { lifts: false });
  await ada.sees("Bob's live stroke", ({ elements }) => elements.filter(({ live }) => live).length === 2);
  await ada.lifts();
  await bob.lifts();

  await bob.presses("m");
  await bob.draws([[180, 150], [600, 320], [200, 420]]);
  await ada.presses("2");
  await ada.presses("]");
  await ada.draws(wave(300, 300));
  await ada.isLive();
  await bob.isLive();

  const eve = await the.browser.person(board("together"), { name: "Eve" });
  const { elements } = await agree(ada, bob, eve);
  assert.equal(elements.length, 4);
  assert.ok(elements.every(({ live }) => !live));
  const pixels = await Promise.all([ada, bob, eve].map((person) => person.pixels()));
  assert.equal(new Set(pixels).size, 1, "the pixels differ");
  const blank = await (await the.browser.person(board("blank"))).pixels();
  assert.notEqual(pixels[0], blank, "something is painted");
});

test("a shape is seen by others while it is dragged out, and is theirs when it is let go", async () => {
  const ada = await the.browser.person(board("draft"), { name: "Ada" });
  const bob = await the.browser.person(board("draft"), { name: "Bob" });
  const drafts = () => bob.page.evaluate(() => Array.from(globalThis.inkwire.drafts.shown.values(), ({ element }) => [element.content.kind, element.content.dx > 0]));
  const shows = (count) => bob.page.waitForFunction((count) => globalThis.inkwire.drafts.shown.size === count, count);
  await ada.presses("r");
  await ada.draws([[200, 200], [300, 260], [400, 300]], { lifts: false });
  await shows(1);
  assert.deepEqual(await drafts(), [["rectangle", true]]);
  const late = await the.browser.person(board("draft"), { name: "Late" });
  await late.page.waitForFunction(() => globalThis.inkwire.drafts.shown.size === 1);
  assert.equal((await bob.state()).elements.length, 0, "nothing is on the board yet");
  await ada.lifts();
  await bob.sees("the shape", ({ elements }) => elements.length === 1);
  await shows(0);
  await ada.draws([[500, 200], [600, 300]], { lifts: false });
  await shows(1);
  // Whoever goes takes it along.
  await ada.page.close();
  await shows(0);
});

test("own ink is seen at once, before the server has it", async () => {
  const ada = await the.browser.person(board("at-once"));
  await ada.page.evaluate(() => {
    globalThis.inkwire.connection.send = () => {};
  });
  await ada.draws(wave(150, 200));
  const { elements, seq, pending } = await ada.state();
  assert.equal(seq, 0);
  assert.ok(pending > 5);
  assert.equal(elements.length, 1);
  const blank = await (await the.browser.person(board("blank"))).pixels();
  assert.notEqual(await ada.pixels(), blank);
});

test("undo and redo take back one's own strokes only, by key and by button", async () => {
  const ada = await the.browser.person(board("undo"));
  const bob = await the.browser.person(board("undo"));
  await ada.draws(wave(150, 200));
  await bob.draws(wave(150, 300));
  await ada.sees("both strokes", ({ elements }) => elements.length === 2);
  await ada.presses("Control+z");
  await bob.sees("Ada's stroke gone", ({ elements }) => elements.length === 1);
  assert.ok(await ada.page.locator("#undo").isDisabled());
  await ada.page.click("#redo");
  await bob.sees("Ada's stroke again", ({ elements }) => elements.length === 2);
  await bob.page.click("#undo");
  await ada.sees("Bob's stroke gone", ({ elements }) => elements.length === 1);
  await agree(ada, bob);
});

test("the eraser takes away what it touches, as one gesture", async () => {
  const ada = await the.browser.person(board("eraser"));
  const bob = await the.browser.person(board("eraser"));
  await ada.draws([[200, 200], [400, 200]]);
  await ada.draws([[200, 300], [400, 300]]);
  await ada.draws([[600, 200], [700, 200]]);
  await bob.sees("three strokes", ({ elements }) => elements.length === 3 && elements.every(({ live }) => !live));
  await bob.presses("e");
  await bob.draws([[300, 150], [300, 350]]);
  await ada.sees("one stroke", ({ elements }) => elements.length === 1);
  await bob.presses("Control+z");
  await ada.sees("three strokes again", ({ elements }) => elements.length === 3);
  await agree(ada, bob);
});

test("a stroke whose person has gone in the middle of it can be exported, selected and taken away", async () => {
  const [ada, bob] = [await the.browser.person(board("gone")), await the.browser.person(board("gone"))];
  await bob.draws(wave(200, 200), { lifts: false });
  await ada.sees("what is drawn", ({ elements }) => elements.length === 1 && elements[0].live);
  const exported = () => ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").length);
  await ada.presses("v");
  await ada.presses("Control+a");
  await ada.presses("Delete");
  assert.deepEqual([(await ada.state()).elements.length, await exported()], [1, 0], "not while it is drawn");
  await bob.page.evaluate(() => globalThis.inkwire.connection.stop());
  await ada.page.waitForFunction(() => globalThis.inkwire.session.people.size === 1);
  assert.equal(await exported(), 1);
  await ada.presses("Control+a");
  await ada.presses("Delete");
  await ada.sees("nothing", ({ elements }) => elements.length === 0);
});

test("pointers with names are seen on the others' boards", async () => {
  const ada = await the.browser.person(board("pointers"), { name: "Ada" });
  const markup = "<img src=x onerror=alert(1)>";
  const eve = await the.browser.person(board("pointers"), { name: markup });
  await eve.page.mouse.move(300, 300);
  const label = ada.page.locator(".cursor span");
  await label.waitFor();
  assert.equal(await label.textContent(), markup, "markup is shown as text");
  assert.equal(await ada.page.locator(".badge").count(), 2);
  await eve.page.close();
  await label.waitFor({ state: "detached" });
  await ada.page.waitForFunction(() => document.querySelectorAll(".badge").length === 1);
});

test("one's name can be changed, and everybody sees it", async () => {
  const ada = await the.browser.person(board("names"), { name: "Ada" });
  const bob = await the.browser.person(board("names"), { name: "Bob" });
  await ada.page.click("#people");
  await ada.page.fill("#person-name", "Countess");
  await ada.page.click("#person-done");
  await bob.page.waitForFunction(() => document.querySelector("#people").title.includes("Countess"));
});

test("the first page makes a new board that nobody can guess", async () => {
  const ada = await the.browser.person(the.server.url);
  const bob = await the.browser.person(the.server.url);
  const names = [ada, bob].map(({ page }) => new URL(page.url()).pathname);
  assert.match(names[0], /^\/b\/[a-z0-9]{20}$/);
  assert.notEqual(names[0], names[1]);
});

test("the board moves and zooms, and ink stays where it was drawn", async () => {
  const ada = await the.browser.person(board("viewport"));
  const bob = await the.browser.person(board("viewport"));
  await ada.draws([[300, 300], [400, 300]]);
  await ada.page.mouse.wheel(120, 60);
  await ada.page.keyboard.down("Control");
  await ada.page.mouse.move(500, 350);
  for (let turn = 0; turn < 4; turn++) await ada.page.mouse.wheel(0, -120);
  await ada.page.keyboard.up("Control");
  const zoom = await ada.page.evaluate(() => globalThis.inkwire.viewport.zoom);
  assert.ok(zoom > 2);
  await ada.draws([[500, 350], [520, 350]]);
  await ada.presses("0");
  await ada.page.keyboard.down("Space");
  await ada.draws([[100, 100], [180, 140]]);
  await ada.page.keyboard.up("Space");
  const { elements } = await agree(ada, bob);
  assert.equal(elements.length, 2, "moving the board draws nothing");
});

test("a newcomer on a small screen is shown all of the drawing", async () => {
  const ada = await the.browser.person(board("fit"));
  await ada.draws([[50, 80], [950, 500]]);
  await ada.isLive();
  const phone = await the.browser.person(board("fit"), { viewport: { width: 390, height: 700 }, hasTouch: true, isMobile: true });
  await phone.page.waitForFunction(() => globalThis.inkwire.viewport.zoom < 0.5);
});

test("whoever comes is there before the whole page is, and has missed nothing when it is", async () => {
  const bob = await the.browser.person(board("early"), { name: "Bob" });
  await bob.draws(wave(100, 500));
  const context = await the.browser.chromium.newContext();
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await context.route("**/js/main.js", async (route) => {
    await held;
    await route.continue();
  });
  const page = await context.newPage();
  const comes = page.goto(board("early"));
  await bob.page.waitForFunction(() => globalThis.inkwire.session.people.size === 2);
  await bob.draws(wave(200, 500));
  letGo();
  await comes;
  await page.waitForFunction(() => globalThis.inkwire?.session.log.elements.size === 2);
  await context.close();
});
