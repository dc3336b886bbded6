// Every tool: by mouse, finger, pen and keyboard.

import assert from "node:assert/strict";
import { test } from "node:test";
import { devices } from "playwright-core";
import { picture } from "./everything.mjs";
import { agree, fingers, pen, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/${name}`;

/** What is on a board, in painting order: kind, and what it looks like. */
const looks = (person) =>
  person.page.evaluate(() =>
    globalThis.inkwire.exchange.elements("board").map(({ kind, content, properties, pressed }) => ({
      kind: kind === "shape" ? content.kind : (content.begin?.tool ?? kind),
      pressed, colour: properties.colour, fill: properties.fill, dash: properties.dash, text: properties.text,
      matrix: properties.matrix.join(" "), group: properties.group, locked: properties.locked,
    })),
  );

const kinds = async (person) => (await looks(person)).map(({ kind }) => kind);

/** The ways to drag from one place to another. */
const WAYS = {
  mouse: (person, places) => person.draws(places),
  finger: async (person, places) => {
    const touch = await fingers(person);
    await touch("touchStart", places[0]);
    for (const place of places.slice(1)) await touch("touchMove", place);
    await touch("touchEnd");
  },
  pen: (person, places) => person.page.evaluate(pen, places.map((place) => [...place, 0.5])),
};

const DRAWING = { p: "pen", m: "highlighter", l: "line", a: "arrow", r: "rectangle", o: "ellipse" };

for (const [way, drag] of Object.entries(WAYS)) {
  test(`every tool draws by ${way}, and others see it`, async () => {
    const options = way === "finger" ? { hasTouch: true } : {};
    const ada = await the.browser.person(board(`tools-${way}`), options);
    const bob = await the.browser.person(board(`tools-${way}`));
    let y = 120;
    for (const key of Object.keys(DRAWING)) {
      await ada.presses(key);
      await drag(ada, [[150, y], [220, y + 20], [300, y + 40]]);
      y += 60;
    }
    await ada.sees("all drawn", ({ elements, pending }) => elements.length === 6 && pending === 0);
    assert.deepEqual(await kinds(ada), Object.values(DRAWING));
    await agree(ada, bob);
    // The eraser takes one, the cutter makes two of another.
    await ada.presses("e");
    await drag(ada, [[215, 130], [225, 150]]);
    await ada.sees("one less", ({ elements }) => elements.length === 5);
    await ada.presses("x");
    await drag(ada, [[225, 170], [225, 240]]);
    await ada.sees("a piece more", ({ elements }) => elements.length === 6);
    assert.deepEqual((await kinds(ada)).filter((kind) => kind === "highlighter").length, 2);
    await ada.presses("Control+z");
    await ada.presses("Control+z");
    await ada.sees("as before", ({ elements }) => elements.length === 6);
    assert.deepEqual((await kinds(ada)).toSorted(), Object.values(DRAWING).toSorted());
    // Selecting: a tap takes one, a drag moves it.
    await ada.presses("v");
    await drag(ada, [[150, 300], [150, 300]]);
    await drag(ada, [[150, 300], [400, 300], [500, 300]]);
    const moved = await ada.page.evaluate(() => globalThis.inkwire.selection.elements.map(({ properties }) => properties.offset[0] / 8));
    assert.equal(moved.length, 1);
    assert.ok(moved[0] > 300, `moved by ${moved[0]}`);
    // Its handles scale it, and turn it.
    const seen = () => ada.page.evaluate(() => {
      const { selection, viewport } = globalThis.inkwire;
      const [{ properties }] = selection.elements;
      const [left, top, right, bottom] = selection.box;
      return { matrix: properties.matrix, corners: [[left, top], [right, bottom]].map((corner) => viewport.toScreen(corner)) };
    });
    const [[left, top], [right, bottom]] = (await seen()).corners;
    await drag(ada, [[right + 5, bottom + 5], [right + 30, bottom + 20], [right + 65, bottom + 45]]);
    const { matrix: scaled } = await seen();
    assert.ok(scaled[0] > 1.2 && scaled[3] > 1.2, `scaled: ${scaled}`);
    await ada.presses("Control+z");
    await drag(ada, [[(left + right) / 2, top - 26], [(left + right) / 2 + 60, top + 10], [(left + right) / 2 + 90, (top + bottom) / 2]]);
    const { matrix: turned } = await seen();
    assert.ok(Math.abs(turned[1]) > 0.5, `turned: ${turned}`);
    await ada.presses("Control+z");
    await agree(ada, bob);
    assert.equal(await ada.pixels(), await bob.pixels(), "the same picture");
  });
}

/** Chooses the file that the page asks for. */
async function picks(person, act) {
  const chooser = person.page.waitForEvent("filechooser");
  await act();
  const buffer = Buffer.from(await picture(person.page));
  await (await chooser).setFiles({ name: "picture.png", mimeType: "image/png", buffer });
}

/** The ways to touch one place, and let go. */
const tap = (way, person, place) => (way === "mouse" ? person.page.mouse.click(...place) : WAYS[way](person, [place, place]));

for (const [way, drag] of Object.entries(WAYS)) {
  test(`the other tools by ${way}: lasso, hand, text, note, image and laser`, async () => {
    const options = way === "finger" ? { hasTouch: true } : {};
    const ada = await the.browser.person(board(`others-${way}`), options);
    // From now on the browser asks the test for files, and nobody else: that takes a moment.
    ada.page.on("filechooser", () => {});
    const bob = await the.browser.person(board(`others-${way}`));
    for (const [key, words, place] of [["t", "written", [150, 200]], ["n", "noted", [300, 200]]]) {
      await ada.presses(key);
      await tap(way, ada, place);
      await ada.page.keyboard.type(words);
      await ada.presses("Control+Enter");
    }
    assert.deepEqual((await looks(ada)).map(({ kind, text }) => [kind, text]), [["text", "written"], ["note", "noted"]]);
    await ada.presses("i");
    await picks(ada, () => tap(way, ada, [700, 200]));
    await bob.sees("the picture", ({ elements }) => elements.length === 3);
    // Around the text only.
    await ada.presses("q");
    await drag(ada, [[120, 180], [260, 180], [260, 260], [120, 260], [120, 180]]);
    const selected = await ada.page.evaluate(() => globalThis.inkwire.selection.elements.map(({ kind }) => kind));
    assert.deepEqual(selected, ["text"]);
    await ada.presses("Escape");
    const before = await ada.page.evaluate(() => [globalThis.inkwire.viewport.x, globalThis.inkwire.viewport.y]);
    await ada.presses("h");
    await drag(ada, [[500, 400], [520, 430], [540, 460]]);
    const after = await ada.page.evaluate(() => [globalThis.inkwire.viewport.x, globalThis.inkwire.viewport.y]);
    assert.deepEqual(after.map((side, axis) => Math.round(before[axis] - side)), [40, 60]);
    await bob.page.evaluate(() => {
      const { lasers } = globalThis.inkwire;
      const shine = lasers.shine.bind(lasers);
      lasers.shine = (author, at) => shine(author, (globalThis.shone = at));
    });
    await ada.presses("k");
    await drag(ada, [[400, 500], [450, 520], [500, 540]]);
    await bob.page.waitForFunction(() => globalThis.shone !== undefined);
    const { elements } = await agree(ada, bob);
    assert.equal(elements.length, 3, "a laser leaves nothing");
  });
}

test("text and notes are written, changed, and emptied away", async () => {
  const ada = await the.browser.person(board("text"));
  await ada.writes("t", [200, 200], "Hello\nworld");
  await ada.presses("Control+Enter");
  await ada.writes("n", [500, 200], "a note whose words are more than go into one line of it");
  await ada.page.mouse.click(100, 600);
  let [text, note] = await looks(ada);
  assert.deepEqual([text.text, note.kind], ["Hello\nworld", "note"]);
  assert.ok(note.text.includes(" \n"), `broken into lines: ${JSON.stringify(note.text)}`);
  await ada.presses("v");
  await ada.page.mouse.dblclick(220, 215);
  await ada.presses("Control+a");
  await ada.page.keyboard.type("changed");
  await ada.presses("Escape");
  [text] = await looks(ada);
  assert.equal(text.text, "changed");
  await ada.presses("Control+z");
  assert.equal((await looks(ada))[0].text, "Hello\nworld", "one step back");
  await ada.page.mouse.dblclick(220, 215);
  await ada.presses("Control+a");
  await ada.presses("Delete");
  await ada.presses("Escape");
  assert.deepEqual(await kinds(ada), ["note"]);
});

test("a note that is looked at again is what it was, and what is added stays on its paper", async () => {
  const ada = await the.browser.person(board("paper"));
  await ada.writes("n", [300, 200], "one \ntwo  \n\nthree is a line that must be broken to fit");
  await ada.presses("Control+Enter");
  const noted = async () => (await looks(ada))[0];
  const size = () => ada.page.evaluate(() => Array.from(globalThis.inkwire.session.board.visible())[0].properties.width);
  const [before, letters] = [await noted(), await size()];
  assert.match(before.text, /^one\ntwo\n\nthree is a .*? \n/);
  await ada.page.mouse.dblclick(350, 220);
  await ada.presses("Escape");
  assert.deepEqual(await noted(), before, "nothing was changed");
  await ada.page.mouse.dblclick(350, 220);
  await ada.page.keyboard.insertText(" and more".repeat(40));
  await ada.presses("Escape");
  assert.ok((await size()) < letters, "smaller letters");
  assert.ok((await noted()).text.includes("and more"));
  const isOn = await ada.page.evaluate(() => {
    const [{ properties, content }] = globalThis.inkwire.session.board.visible();
    return properties.text.split("\n").length * properties.width * 1.25 <= content.dy;
  });
  assert.ok(isOn, "all lines are on the paper");
  await ada.presses("Control+z");
  assert.deepEqual([await noted(), await size()], [before, letters], "one step back");
  await ada.presses("Control+a");
  await ada.presses("Delete");
  await ada.writes("n", [300, 200], "");
  await ada.page.keyboard.insertText("word ".repeat(900));
  await ada.presses("Control+Enter");
  assert.match(await ada.page.textContent("#toast"), /too long/);
});

test("what is written is text, whatever it says", async () => {
  const ada = await the.browser.person(board("hostile-text"));
  const bob = await the.browser.person(board("hostile-text"));
  const words = "<img src=x onerror=alert(1)>\u202egnirts\u0007 & </text><script>alert(2)</script>";
  for (const page of [ada.page, bob.page]) page.on("dialog", () => assert.fail("something was executed"));
  await ada.presses("t");
  await ada.page.mouse.click(200, 200);
  await ada.page.keyboard.insertText(words + "long ".repeat(20_000));
  await ada.presses("Control+Enter");
  const [{ text }] = await looks(ada);
  assert.ok(text.startsWith("<img src=x onerror=alert(1)>\u202egnirts & </text>"), text.slice(0, 80));
  assert.ok(Buffer.byteLength(text) <= 4096);
  assert.match(await ada.page.textContent("#toast"), /too long/);
  await agree(ada, bob);
  await bob.presses("Shift+O");
  assert.ok((await bob.page.textContent("#objects-list")).includes("<img src=x"), "the list shows it as text");
});

test("fill, dash, opacity and colours of one's own style what is drawn, and are kept", async () => {
  const ada = await the.browser.person(board("style"));
  await ada.page.click("#more-style");
  await ada.page.click(".fill-light");
  await ada.page.click(".dash-dotted");
  await ada.page.fill("#opacity", "50");
  await ada.page.fill("#custom-colour", "#12ab34");
  await ada.presses("Escape");
  await ada.presses("r");
  await ada.draws([[200, 200], [400, 300]]);
  const [shape] = await looks(ada);
  assert.deepEqual([shape.colour, shape.fill, shape.dash], ["#12ab3480", "#12ab3420", "dotted"]);
  await ada.page.reload();
  await ada.isLive();
  assert.equal(await ada.page.evaluate(() => globalThis.inkwire.style.colour), "#12ab34");
  assert.equal(await ada.page.locator("#recent button").count(), 1, "the colour is among the recent ones");
});

test("the canvas that is drawn on asks for the shortest way to the screen", async () => {
  const ada = await the.browser.person(board("direct"), {
    before: () => {
      const { getContext } = HTMLCanvasElement.prototype;
      HTMLCanvasElement.prototype.getContext = function asked(kind, settings) {
        if (settings?.desynchronized) (globalThis.direct ??= []).push(this.id);
        return getContext.call(this, kind, settings);
      };
    },
  });
  assert.deepEqual(await ada.page.evaluate(() => globalThis.direct), ["live"]);
});

test("ink of a mouse gets pressure from its speed where that is wished for", async () => {
  const ada = await the.browser.person(board("simulated"));
  await ada.page.click("#more-style");
  await ada.page.check("#simulates");
  await ada.presses("Escape");
  await ada.presses("p");
  await ada.draws(wave(200, 300));
  const pressures = await ada.page.evaluate(() => Array.from(globalThis.inkwire.session.board.visible())[0].ink.pressure);
  assert.ok(new Set(pressures).size > 3, `pressures ${pressures}`);
});

test("a laser is seen by others, fades, and leaves nothing", async () => {
  const ada = await the.browser.person(board("laser"));
  const bob = await the.browser.person(board("laser"));
  await ada.presses("k");
  await ada.draws(wave(200, 300), { lifts: false });
  await bob.page.waitForFunction(() => globalThis.inkwire.lasers.trails.size > 0);
  await ada.lifts();
  await bob.page.waitForFunction(() => globalThis.inkwire.lasers.trails.size === 0);
  const { elements, seq } = await bob.state();
  assert.deepEqual([elements.length, seq], [0, 0]);
});

test("everything can be done with the keyboard alone, drawing too", async () => {
  const ada = await the.browser.person(board("keyboard"));
  const bob = await the.browser.person(board("keyboard"));
  const keys = async (...all) => {
    for (const key of all) await ada.presses(key);
  };
  await keys("Control+Enter", "p", "Enter", "ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowDown", "Enter");
  await keys("r", "ArrowDown", "ArrowDown", " ", ...Array(8).fill("ArrowRight"), ...Array(6).fill("ArrowDown"), " ");
  await ada.sees("a stroke and a shape", ({ elements }) => elements.length === 2);
  assert.deepEqual(await kinds(ada), ["pen", "rectangle"]);
  await keys("Enter", "ArrowLeft", "Escape");
  assert.equal((await ada.state()).elements.length, 2, "Escape takes back what was begun");
  // Off the board, what is selected is moved, copied and deleted.
  await ada.page.evaluate(() => document.activeElement.blur());
  await keys("Control+a", "Shift+ArrowRight", "Control+d");
  await ada.sees("twice as much", ({ elements }) => elements.length === 4);
  await keys("Delete");
  await ada.sees("the copies are gone", ({ elements }) => elements.length === 2);
  await keys("Control+z", "Control+z", "Control+z", "Control+z", "Control+z");
  await ada.sees("all taken back", ({ elements }) => elements.length === 0);
  await agree(ada, bob);
  // Every control of the page is reached: each bar is one stop of Tab, and in it arrow keys go on.
  const focused = () => ada.page.evaluate(() => document.activeElement?.id || document.activeElement?.dataset.tool);
  const reached = [];
  do {
    await ada.presses("Tab");
    reached.push(await focused());
  } while (reached.length < 20 && reached.indexOf("live") === reached.lastIndexOf("live"));
  for (const id of ["share", "people", "menu-button", "select", "live"]) assert.equal(reached.slice(0, -1).filter((it) => it === id).length, 1, `${id} among ${reached}`);
  while ((await focused()) !== "select") await ada.presses("Tab");
  await keys("ArrowRight", "ArrowDown");
  assert.equal(await focused(), "hand");
  await keys("End");
  assert.equal(await focused(), "zoom-in");
  await keys("ArrowRight", "Enter");
  assert.equal(await ada.page.getAttribute('#tools [aria-pressed="true"]', "data-tool"), "select");
  // Who has clicked a button has the arrow keys for the board.
  const before = await ada.page.evaluate(() => globalThis.inkwire.viewport.x);
  await ada.page.click("[data-tool=pen]");
  await keys("ArrowRight");
  assert.notEqual(await ada.page.evaluate(() => globalThis.inkwire.viewport.x), before);
  await ada.page.click("#zoom-in");
  assert.equal(await ada.page.evaluate(() => document.activeElement === document.body), true);
});

test("two fingers tap for undo, three for redo", async () => {
  const phone = await the.browser.person(board("taps"), devices["Pixel 7"]);
  const touch = await fingers(phone);
  await WAYS.finger(phone, [[100, 300], [200, 320], [300, 300]]);
  await phone.sees("a stroke", ({ elements }) => elements.length === 1);
  await touch("touchStart", [150, 400]);
  await touch("touchStart", [150, 400], [250, 400]);
  await touch("touchEnd");
  await phone.sees("undone", ({ elements }) => elements.length === 0);
  await touch("touchStart", [150, 400], [250, 400], [200, 500]);
  await touch("touchEnd");
  await phone.sees("done again", ({ elements }) => elements.length === 1);
});

test("once a pen is used fingers move the board, the hand that holds it draws nothing, and its other end erases", async () => {
  const ada = await the.browser.person(board("palm"), { hasTouch: true });
  await ada.page.evaluate(pen, wave(200, 300).map((place) => [...place, 0.5]));
  await ada.sees("ink", ({ elements }) => elements.length === 1);
  const touch = await fingers(ada);
  await touch("touchStart", [400, 500]);
  await touch("touchMove", [450, 520]);
  await touch("touchEnd");
  assert.equal((await ada.state()).elements.length, 1, "a palm right behind the pen is not looked at");
  await ada.page.waitForFunction((from) => performance.now() - from > 600, await ada.page.evaluate(() => performance.now()));
  const before = await ada.page.evaluate(() => globalThis.inkwire.viewport.x);
  await touch("touchStart", [400, 500]);
  await touch("touchMove", [450, 500]);
  await touch("touchEnd");
  assert.notEqual(await ada.page.evaluate(() => globalThis.inkwire.viewport.x), before, "a finger moves the board");
  assert.equal((await ada.state()).elements.length, 1);
  const [x, y] = await ada.page.evaluate(() => globalThis.inkwire.viewport.toScreen([200 + 60, 300 + 40 * Math.sin(5 / 3)]));
  await ada.page.evaluate(pen, [[x, y - 30, 0.5, 32], [x, y, 0.5, 32], [x, y + 30, 0.5, 32]]);
  await ada.sees("erased", ({ elements }) => elements.length === 0);
});
