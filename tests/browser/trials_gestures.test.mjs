// Gestures and keys as trials of the page found them wrong: who zooms, keyboards on which signs stand elsewhere, hands beside pens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { devices } from "playwright-core";
import { fingers, pen, sharedHouse } from "./house.mjs";

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

/** Safari's events of a pinch, made here, over what a selector finds; says whether each was taken. */
const pinches = (person, selector, scales) =>
  person.page.evaluate(([selector, scales]) => {
    const types = ["gesturestart", ...scales.slice(1, -1).map(() => "gesturechange"), "gestureend"];
    return types.map((type, at) => {
      const event = Object.assign(new Event(type, { bubbles: true, cancelable: true }), { scale: scales[at], clientX: 400, clientY: 300 });
      document.querySelector(selector).dispatchEvent(event);
      return event.defaultPrevented;
    });
  }, [selector, scales]);

test("the pinch of a trackpad in Safari zooms the board, and never the page", async () => {
  const ada = await the.browser.person(board("safari"));
  for (const selector of ["#live", "#toolbar"]) {
    await ada.presses("Control+0");
    const before = await ada.page.evaluate(() => globalThis.inkwire.viewport.toBoard([400, 300]));
    const taken = await pinches(ada, selector, [1, 1.2, 1.5, 1.5]);
    assert.deepEqual(taken, [true, true, true, true]);
    assert.ok(Math.abs((await view(ada)).zoom - 1.5) < 1e-9, `zoomed to ${(await view(ada)).zoom}`);
    const after = await ada.page.evaluate(() => globalThis.inkwire.viewport.toBoard([400, 300]));
    assert.ok(Math.hypot(after[0] - before[0], after[1] - before[1]) < 1e-6, "the place under the pointer stays");
  }
});

test("fingers of which Safari tells twice zoom the board once", async () => {
  const phone = await the.browser.person(board("safari-fingers"), devices["Pixel 7"]);
  const touch = await fingers(phone);
  await touch("touchStart", [100, 300], [200, 300]);
  assert.deepEqual(await pinches(phone, "#live", [1, 2, 2]), [true, true, true]);
  assert.equal((await view(phone)).zoom, 1);
  await touch("touchMove", [50, 300], [250, 300]);
  await phone.page.waitForFunction(() => globalThis.inkwire.viewport.zoom !== 1);
  await touch("touchEnd");
  assert.ok(Math.abs((await view(phone)).zoom - 2) < 0.01, `zoomed to ${(await view(phone)).zoom}`);
});

/** Somebody with a pen, which has written a word; it is long ago. */
async function withPen(name) {
  const person = await the.browser.person(board(name), devices["Pixel 7"]);
  await person.page.evaluate(pen, [[120, 300, 0.4], [170, 320, 0.5]]);
  await passed(person, 600);
  return person;
}

/** Lets so many milliseconds pass on the clock of the page's events. */
async function passed(person, ms) {
  await person.page.waitForFunction((until) => performance.now() > until, (await person.page.evaluate(() => performance.now())) + ms);
}

test("a hand that comes down right before its pen leaves the board where it was", async () => {
  const ada = await withPen("palm-before");
  const touch = await fingers(ada);
  for (const [words, places] of [["two contacts", [[200, 500], [260, 540]]], ["one contact", [[200, 500]]]]) {
    const before = await view(ada);
    await touch("touchStart", ...places);
    await touch("touchMove", ...places.map(([x, y], at) => [x + 9 * at, y + 24]));
    await ada.page.waitForFunction(({ x, y }) => globalThis.inkwire.viewport.x !== x || globalThis.inkwire.viewport.y !== y, before);
    // Its clock is told how long ago the hand came: what a busy machine does meanwhile is no part of the test.
    await ada.page.evaluate(() => (globalThis.inkwire.pointers.touched.time = performance.now() - 200));
    await ada.page.evaluate(pen, [[120, 340, 0.4], [170, 350, 0.5]]);
    await touch("touchEnd");
    assert.deepEqual(await view(ada), before, words);
    await passed(ada, 600);
  }
});

test("fingers that have moved the board for a while have meant it", async () => {
  const ada = await withPen("fingers-before");
  const touch = await fingers(ada);
  const before = await view(ada);
  await touch("touchStart", [200, 500], [260, 540]);
  await touch("touchMove", [150, 450], [310, 590]);
  await ada.page.waitForFunction(({ zoom }) => globalThis.inkwire.viewport.zoom > zoom, before);
  const moved = await view(ada);
  await passed(ada, 1_100);
  await ada.page.evaluate(pen, [[120, 340, 0.4], [170, 350, 0.5]]);
  await touch("touchEnd");
  assert.deepEqual(await view(ada), moved);
});

/** A pen is lifted now, and a moment later contacts come and move, each from one place to another. Their clock is the page's. */
async function contactsBehindPen(person, ways, { waits = 0, ago = -200 } = {}) {
  await person.page.evaluate(pen, [[120, 200, 0.4], [170, 220, 0.5]]);
  const touch = await fingers(person);
  // However busy the machine is, the pen was there only just now.
  await person.page.evaluate((ago) => (globalThis.inkwire.pointers.penAt = performance.now() - ago), ago);
  await touch("touchStart", ...ways.map(([from]) => from));
  const before = await view(person);
  await passed(person, waits);
  for (let step = 1; step <= 10; step++) await touch("touchMove", ...ways.map(([[x, y], [toX, toY]]) => [x + ((toX - x) * step) / 10, y + ((toY - y) * step) / 10]));
  await touch("touchEnd");
  return { before, after: await view(person) };
}

test("fingers that come right behind the pen pinch, and need not come again", async () => {
  const ada = await withPen("pinch-behind");
  const { before, after } = await contactsBehindPen(ada, [[[150, 400], [90, 340]], [[250, 500], [310, 560]]]);
  assert.ok(after.zoom > before.zoom * 1.3, `zoomed from ${before.zoom} to ${after.zoom}`);
});

test("a finger that comes right behind the pen moves the board when the pen has been away for long enough", async () => {
  const ada = await withPen("pan-behind");
  const { before, after } = await contactsBehindPen(ada, [[[150, 400], [150, 560]]], { waits: 800 });
  assert.ok(after.y < before.y - 60, `from ${before.y} to ${after.y}`);
});

test("a hand that comes right behind the pen moves nothing", async () => {
  const ada = await withPen("palm-behind");
  for (const ways of [[[[200, 500], [203, 530]], [[260, 540], [268, 572]]], [[[200, 500], [230, 530]]]]) {
    const { before, after } = await contactsBehindPen(ada, ways, { ago: -60_000 });
    assert.deepEqual(after, before);
  }
  const { elements } = await ada.state();
  assert.equal(elements.length, 3, "only the pen has drawn");
});

test("where fingers draw, one that comes right behind the pen draws nothing", async () => {
  const ada = await withPen("ink-behind");
  await ada.page.evaluate(() => globalThis.inkwire.settings.pen.choose(false));
  const { before, after } = await contactsBehindPen(ada, [[[150, 400], [150, 560]]], { waits: 800 });
  assert.deepEqual(after, before);
  assert.equal((await ada.state()).elements.length, 2);
});
