// Faults that trials of the page found in input methods, files, the clipboard, printing, texts and colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { drop, picture } from "./everything.mjs";
import { Server, sharedHouse, wave } from "./house.mjs";

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
    assert.equal(await ada.page.getAttribute('#tools [aria-pressed="true"]', "data-tool"), "pen");
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
  await ada.page.evaluate(() => globalThis.inkwire.camera.zoomTo(0.25));
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
  await ada.page.evaluate(() => globalThis.inkwire.camera.zoomTo(0.125));
  assert.deepEqual(await small(), []);
  const half = await ada.page.locator("#writing").boundingBox();
  assert.equal(Math.round(half.height), 10, "and shrinks with the board");
});

test("ink that is seen on light paper is seen on dark paper, and is no darker there", async () => {
  const ada = await the.browser.person(board("dark"), { colorScheme: "dark" });
  const shown = await ada.page.evaluate(async () => {
    const { onDark } = await import("../static/js/state/theme.js");
    const { COLOURS } = await import("../static/js/device/identity.js");
    const byte = (at) => Math.round((at * 255) / 8).toString(16).padStart(2, "0");
    const cube = Array.from({ length: 9 ** 3 }, (_, at) => `#${byte(at % 9)}${byte(Math.floor(at / 9) % 9)}${byte(Math.floor(at / 81))}`);
    return [...COLOURS, ...cube].map((colour) => [colour, onDark(`${colour}80`)]);
  });
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => [1, 3, 5].reduce((sum, at, axis) => sum + [0.2126, 0.7152, 0.0722][axis] * linear(parseInt(colour.slice(at, at + 2), 16) / 255), 0);
  const contrast = (one, other) => (Math.max(luminance(one), luminance(other)) + 0.05) / (Math.min(luminance(one), luminance(other)) + 0.05);
  for (const [at, [colour, dark]] of shown.entries()) {
    assert.equal(dark.slice(7), "80", "as opaque as it was");
    const isSeen = at < 8 || contrast(colour, "#fbfaf7") >= 3;
    if (!isSeen) continue;
    assert.ok(contrast(dark, "#191a1f") >= 3, `${colour} is shown as ${dark}`);
    assert.ok(luminance(dark) >= luminance(colour), `${colour} is shown as ${dark}, which is darker`);
  }
  const [, white] = shown.find(([colour]) => colour === "#ffffff");
  assert.ok(contrast(white, "#191a1f") < 1.1, "white covers what is below it, also there");
  await ada.draws([[200, 200], [400, 200]]);
  await ada.presses("Shift+O");
  const listed = await ada.page.evaluate(() => document.querySelector("#objects-list button").style.getPropertyValue("--colour"));
  assert.equal(listed, shown[0][1].slice(0, 7), "the list shows ink as the board does");
});

test("nothing is exported, copied or printed of an empty board or view, and the page says so", async () => {
  const ada = await the.browser.person(board("empty"), { permissions: ["clipboard-read", "clipboard-write"] });
  const bob = await the.browser.person(board("empty"));
  const says = () => ada.page.waitForFunction(() => document.querySelector("#toast.shown")?.textContent === "There is nothing to export or print.");
  const forget = () => ada.page.evaluate(() => document.querySelector("#toast").classList.remove("shown"));
  await ada.page.evaluate(() => (globalThis.print = () => (globalThis.hasPrinted = true)));
  for (const keys of ["Control+Shift+C", "Control+p"]) {
    await ada.presses(keys);
    await says();
    await forget();
  }
  assert.equal(await ada.page.evaluate(() => globalThis.hasPrinted), undefined);
  await ada.presses("Control+e");
  assert.ok(await ada.page.isDisabled("#export-save"));
  assert.ok(await ada.page.isVisible("#export-empty"));
  // The sheet follows what others draw, and tells a part of the board from the whole.
  await bob.draws([[200, 200], [400, 200]]);
  await ada.page.waitForSelector("#export-save:enabled");
  assert.ok(await ada.page.isHidden("#export-empty"));
  await ada.page.evaluate(() => globalThis.inkwire.goTo([5000, 5000]));
  await ada.page.selectOption("#export [name=part]", "view");
  assert.ok(await ada.page.isDisabled("#export-save"));
  await ada.page.selectOption("#export [name=part]", "board");
  assert.ok(await ada.page.isEnabled("#export-save"));
});

/** A BMP of 4 by 4 black pixels, or one that says that it has more. */
function bmp(side = 4) {
  const bytes = Buffer.alloc(102);
  bytes.write("BM");
  for (const [at, value] of [[2, 102], [10, 54], [14, 40], [18, side], [22, side]]) bytes.writeUInt32LE(value, at);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  return Array.from(bytes);
}

/** An AVIF of 60 by 40 pixels, red with a blue corner. */
const AVIF = "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAALgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAPAAAACgAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAANm1kYXQSAAoJGBV7nbICGg0IMh9F4eHhiGAAGUAAAACArg9zKACDYV9j6LqiIRj4LiK3";

test("a BMP and an AVIF are taken as pictures that everybody sees, and those that would fill the memory are not", async () => {
  const ada = await the.browser.person(board("kinds"));
  const bob = await the.browser.person(board("kinds"));
  // A picture that is still being sent is asked for again.
  bob.allowed = /404/;
  const avif = Array.from(Buffer.from(AVIF, "base64"));
  await drop(ada.page, [{ bytes: bmp(), name: "a.bmp", type: "image/bmp" }]);
  await drop(ada.page, [{ bytes: avif, name: "a.avif", type: "image/avif" }]);
  await bob.sees("both", ({ elements }) => elements.length === 2);
  await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.pictures.pixels.values()).filter(Boolean).length === 2);
  const hashes = await bob.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ content }) => content.image));
  for (const hash of hashes) {
    const answer = await fetch(`${the.server.url}images/${hash}`);
    assert.equal(answer.headers.get("content-type"), "image/png");
  }
  const large = Buffer.from(avif);
  large.writeUInt32BE(60_000, large.indexOf("ispe") + 8);
  large.writeUInt32BE(60_000, large.indexOf("ispe") + 12);
  for (const bytes of [bmp(60_000), Array.from(large)]) {
    await ada.page.evaluate(() => (document.querySelector("#toast").textContent = ""));
    await drop(ada.page, [{ bytes, name: "large", type: "" }]);
    await ada.page.waitForFunction(() => document.querySelector("#toast").textContent === "That picture is too large.");
  }
  assert.equal((await ada.state()).elements.length, 2);
});

/** Drags data from another program to a place of the screen, as the browser does. */
async function drags(person, [x, y], items) {
  const session = await person.page.context().newCDPSession(person.page);
  const data = { items, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, x, y, data });
}

const texts = (person) => person.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ properties }) => properties.text));

test("words and addresses that are dropped become texts, those on a field go into it, and what is of no use is told", async () => {
  const ada = await the.browser.person(board("drops"));
  await drags(ada, [300, 300], [{ mimeType: "text/plain", data: "some words" }]);
  await drags(ada, [300, 400], [{ mimeType: "text/uri-list", data: "https://example.org/cat.png" }]);
  await ada.sees("two texts", ({ elements }) => elements.length === 2);
  assert.deepEqual((await texts(ada)).toSorted(), ["https://example.org/cat.png", "some words"]);
  const said = () => ada.page.textContent("#toast");
  assert.equal(await said(), "");
  await drags(ada, [300, 300], [{ mimeType: "application/x-other", data: "1" }]);
  assert.equal(await said(), "It contains nothing that can be drawn here.");
  await ada.writes("t", [400, 500], "written, ");
  const { x, y, width } = await ada.page.locator("#writing").boundingBox();
  await drags(ada, [x + width - 4, y + 10], [{ mimeType: "text/plain", data: "dropped" }]);
  assert.equal(await ada.page.inputValue("#writing"), "written, dropped");
  assert.equal((await ada.state()).elements.length, 2);
  await ada.presses("Escape");
  // A link of the page that is dragged a little by mistake.
  await ada.page.dragAndDrop("#brand", "#live", { targetPosition: { x: 500, y: 300 } });
  assert.equal((await ada.state()).elements.length, 3);
});

test("several files are brought in apart from each other, and a refusal of one is seen whatever comes behind it", async () => {
  const ada = await the.browser.person(board("several"));
  const [first, second] = [await picture(ada.page, "image/png", [80, 40]), await picture(ada.page, "image/png", [40, 80])];
  const copies = JSON.stringify({ format: "inkwire elements 1", elements: [] });
  const files = [
    { bytes: [1, 2, 3], name: "none.png", type: "image/png" },
    { bytes: first, name: "a.png", type: "image/png" },
    { bytes: second, name: "b.png", type: "image/png" },
    { bytes: Array.from(Buffer.from(copies)), name: "c.json", type: "application/json" },
  ];
  await drop(ada.page, files);
  await ada.page.waitForFunction(() => /neither a picture/.test(document.querySelector("#toast").textContent));
  const middles = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map((it) => {
    const [left, top, right, bottom] = globalThis.inkwire.boundsOf(it);
    return [(left + right) / 2, (top + bottom) / 2].map(Math.round);
  }));
  assert.equal(middles.length, 2);
  assert.deepEqual(middles[1].map((side, axis) => side - middles[0][axis]), [24, 24]);
});

const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

test("copies are words to fields and other programs, and what they are copies of to a board, by key and from the menu", async () => {
  const ada = await the.browser.person(board("copies"), CLIPBOARD);
  await ada.presses("r");
  await ada.draws([[200, 200], [300, 260]]);
  await ada.presses("Control+a");
  await ada.presses("Control+c");
  const onClipboard = () => ada.page.evaluate(() => navigator.clipboard.readText());
  assert.equal(await onClipboard(), "", "a shape has no words");
  await ada.writes("n", [400, 300], "a note that is long enough to be broken, <b>&amp;\u00a0\"");
  await ada.presses("Control+v");
  assert.equal(await ada.page.inputValue("#writing"), "a note that is long enough to be broken, <b>&amp;\u00a0\"");
  await ada.presses("Control+Enter");
  const words = "a note that is long enough to be broken, <b>&amp;\u00a0\"";
  await ada.presses("Control+a");
  await ada.presses("Control+c");
  assert.equal((await onClipboard()).replaceAll("\u00a0", " "), words.replaceAll("\u00a0", " "));
  await ada.writes("t", [600, 500], "and: ");
  await ada.presses("Control+v");
  assert.equal((await ada.page.inputValue("#writing")).replaceAll("\u00a0", " "), `and: ${words}`.replaceAll("\u00a0", " "));
  await ada.presses("Escape");
  await ada.sees("shape, note and text", ({ elements }) => elements.length === 3);
  const looks = () => ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ kind, properties }) => [kind, properties.text, properties.colour].join()));
  const before = await looks();
  await ada.presses("Control+v");
  await ada.sees("both again", ({ elements }) => elements.length === 5);
  assert.deepEqual((await looks()).slice(3), before.slice(0, 2));
  await ada.page.click("#menu-button");
  await ada.page.click('#menu-list [data-command="paste"]');
  await ada.sees("both once more", ({ elements }) => elements.length === 7);
  assert.deepEqual((await looks()).slice(5), before.slice(0, 2));
  assert.equal(await ada.page.textContent("#toast"), "2 things brought in.");
});

test("a picture goes to a board of another server by the clipboard, and where it comes without its pixels the page says so", async () => {
  const other = await Server.start();
  try {
    const ada = await the.browser.person(board("from-here"), CLIPBOARD);
    await drop(ada.page, [{ bytes: await picture(ada.page), name: "two.png", type: "image/png" }]);
    await ada.sees("a picture", ({ elements }) => elements.length === 1);
    await ada.presses("Control+a");
    await ada.presses("Control+c");
    // It changes while it is read: the pixels come a little later than the rest.
    const html = () => ada.page.evaluate(async () => (await (await navigator.clipboard.read())[0].getType("text/html")).text().catch(() => ""));
    const deadline = Date.now() + 20_000;
    while (!(await html().catch(() => "")).includes("data:image/png")) {
      assert.ok(Date.now() < deadline, "the pixels are on the clipboard");
      await ada.page.waitForTimeout(10);
    }
    const bob = await the.browser.person(`${other.url}b/to-there`);
    /** Pastes HTML as the browser does. */
    const pastes = (text) => bob.page.evaluate((text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/html", text);
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, text);
    await pastes(await html());
    await bob.page.waitForFunction(() => globalThis.inkwire.pictures.unsent.size === 0 && globalThis.inkwire.pictures.own.size === 1);
    const hash = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board")[0].content.image);
    assert.equal((await fetch(`${other.url}images/${hash}`)).status, 200);
    assert.equal(await bob.page.textContent("#toast"), "One thing brought in.");
    bob.allowed = /404|WebSocket/;
    await pastes((await html()).replaceAll(hash, "ab".repeat(32)).replace(/data:image[^&]*/, ""));
    await bob.page.waitForFunction(() => /damaged/.test(document.querySelector("#toast").textContent));
    await pastes((await html()).replace(/&quot;images&quot;:\{.*?\}/, "&quot;images&quot;:{}").replaceAll(hash, "ab".repeat(32)));
    await bob.page.waitForFunction(() => /without its pixels/.test(document.querySelector("#toast").textContent));
  } finally {
    await other.stop();
  }
});

test("the browser's own Print prints the board, on a dark page as well, as ink on paper", async () => {
  const ada = await the.browser.person(board("print"), { colorScheme: "dark" });
  const empty = (await ada.page.pdf()).length;
  for (const y of [150, 250, 350, 450]) await ada.draws(wave(100, y, 40));
  assert.ok((await ada.page.pdf()).length > empty + 1000, "what is printed without a key of the page has the ink");
  // What is shown to the printer from when it begins until it is done.
  const dark = () => ada.page.evaluate(() => {
    const canvas = document.querySelector("#print + canvas");
    if (canvas.width === 0) return 0;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((it, at) => at % 4 === 0 && it < 100 && data[at + 3] === 255).length;
  });
  assert.equal(await dark(), 0, "nothing is kept when it is done");
  await ada.page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  assert.ok((await dark()) > 500);
  await ada.page.emulateMedia({ media: "print" });
  const shown = await ada.page.evaluate(() => Array.from(document.body.children).filter((it) => getComputedStyle(it).display !== "none").map(({ localName }) => localName));
  assert.deepEqual(shown, ["canvas"]);
  await ada.page.evaluate(() => dispatchEvent(new Event("afterprint")));
  assert.equal(await dark(), 0);
});

/** Whether the end of what is written is seen: a little left of the field's right side, nothing lies on it. */
const endIsSeen = (person) => person.page.evaluate(() => {
  const field = document.querySelector("#writing");
  const { right, bottom } = field.getBoundingClientRect();
  const isSeen = [[right - 10, bottom - 2], [right - 10, bottom - 12]].every(([x, y]) => document.elementFromPoint(x, y) === field);
  return isSeen && right <= innerWidth && bottom <= document.querySelector("#toolbar").getBoundingClientRect().top;
});

test("the board follows the caret, below no bar and no small map, and is not held where the person moves it", async () => {
  const ada = await the.browser.person(board("caret"));
  const place = () => ada.page.evaluate(() => [globalThis.inkwire.viewport.x, globalThis.inkwire.viewport.y]);
  await ada.writes("t", [700, 560], "a line that goes on");
  assert.ok(await endIsSeen(ada), "a line below the small map");
  await ada.page.keyboard.type("\nand\non\nand on, far to the right of all that is seen");
  assert.ok(await endIsSeen(ada), "more lines");
  const before = await place();
  await ada.page.mouse.move(100, 100);
  await ada.page.mouse.wheel(-3000, 0);
  await ada.page.waitForFunction((x) => globalThis.inkwire.viewport.x < x - 2000, before[0]);
  await ada.page.keyboard.type("!");
  assert.ok(await endIsSeen(ada), "it is brought back by the next letter");
  await ada.presses("Escape");
  await ada.page.evaluate(() => globalThis.inkwire.goTo([0, 0], 1));
  // A line that is longer than the screen: its beginning and its end are seen when the caret is there.
  await ada.writes("t", [300, 300], "long words ".repeat(15));
  assert.ok(await endIsSeen(ada), "the end");
  await ada.presses("Home");
  const left = await ada.page.evaluate(() => document.querySelector("#writing").getBoundingClientRect().left);
  assert.ok(left >= 0 && left < 700, `the beginning is at ${left}`);
  await ada.presses("Escape");
});

test("the board follows the caret in a note, in letters from right to left and on a board seen from afar", async () => {
  const ada = await the.browser.person(board("caret-note"));
  await ada.writes("n", [500, 400], "words that fill a note ".repeat(14));
  assert.ok(await endIsSeen(ada), "a note that grows below the toolbar");
  await ada.presses("Control+Enter");
  await ada.page.evaluate(() => globalThis.inkwire.goTo([0, 0], 0.25));
  await ada.writes("n", [500, 550], "words that fill a note ".repeat(10));
  assert.ok(await endIsSeen(ada), "also where it is seen from afar");
  await ada.presses("Control+Enter");
  await ada.page.evaluate(() => globalThis.inkwire.goTo([0, 0], 1));
  await ada.writes("t", [600, 300], "كلمات كثيرة ".repeat(12));
  const left = await ada.page.evaluate(() => document.querySelector("#writing").getBoundingClientRect().left);
  assert.equal(Math.round(left), 600, "the caret is at the left, where the field begins");
  await ada.presses("Escape");
});
