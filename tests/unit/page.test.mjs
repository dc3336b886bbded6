// The pure parts of the page: languages, geometry, selecting, cutting, arranging, copies, and what files say of themselves.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { aligned, reordered, snapped, spread } from "../../static/js/plane/arrange.js";
import { Board } from "../../static/js/board/board.js";
import { NotCopies, copyOf, operationsOf, read, written } from "../../static/js/board/copies.js";
import { Element } from "../../static/js/board/element.js";
import { commandFor, commandsOf, keysOf, letterOf } from "../../static/js/input/commands.js";
import { cut } from "../../static/js/plane/cut.js";
import * as geometry from "../../static/js/plane/geometry.js";
import { BoxIndex } from "../../static/js/plane/boxes.js";
import { foreignSize, imageSize } from "../../static/js/files/imagesize.js";
import { drawnBy } from "../../static/js/files/svgsize.js";
import { upgrade } from "../../static/js/device/outbox.js";
import { Pictures, PicturesDelegate } from "../../static/js/files/pictures.js";
import { linkTo, viewportOf } from "../../static/js/plane/place.js";
import { isAt, mappedProperties, patchesFor, previewed } from "../../static/js/plane/hits.js";
import { sha256 } from "../../static/js/files/sha256.js";
import { svg } from "../../static/js/files/svg.js";
import { REACTIONS } from "../../static/js/protocol/names.js";
import { tools } from "../../static/js/tools/tools.js";
import { Viewport } from "../../static/js/plane/viewport.js";

const WORDS = Object.fromEntries(
  await Promise.all(["en", "de", "fr", "ar"].map(async (code) => [code, (await import(`../../static/js/words/${code}.js`)).default])),
);

const STATIC = new URL("../../static/", import.meta.url);
const sourceOf = (file) => readFileSync(new URL(file, STATIC), "utf8");
/** The strings of a list that a module has under a name. */
const listIn = (file, name) => {
  const [, list] = sourceOf(`js/${file}`).match(new RegExp(`const ${name} = [[{]([^\\]}]+)[\\]}]`)) ?? assert.fail(`${file} has no ${name}`);
  return Array.from(list.matchAll(/"([\w.]+)"/g), ([, it]) => it);
};
const prefixed = (prefix, names) => names.map((name) => `${prefix}.${name}`);

/** The keys of words that modules and pages name as they are, and those that they put together. */
function* named() {
  for (const file of readdirSync(STATIC, { recursive: true })) {
    if (file.startsWith("js/words")) continue;
    const isPage = file.endsWith(".html");
    if (!isPage && !file.endsWith(".js")) continue;
    const names = isPage
      ? /data-(?:words|label|hint)="([\w.]+)"/g
      : /\b(?:t|say|label\(\w+, t|new NotCopies|new NotAPicture|refusal)\("([\w.]+)"/g;
    for (const [, key] of sourceOf(file).matchAll(names)) yield [key, file];
  }
  // Whatever is asked of the page is the page.
  const app = new Proxy(() => {}, { get: () => app });
  const commands = commandsOf(app);
  yield* [...commands.map(({ name }) => name), ...commands.map(({ section }) => section)].map((key) => [key, "commands.js"]);
  yield* tools.map(({ name }) => [name, "tools.js"]);
  const lists = {
    "toolbar.js": [...prefixed("fill", listIn("panels/toolbar.js", "FILLS")), ...prefixed("dash", listIn("panels/toolbar.js", "DASHES"))],
    "desk.js": listIn("tools/desk.js", "REJECTIONS"),
    "news.js": listIn("panels/news.js", "CHANGES"),
    "sheets.js": [...listIn("panels/sheets.js", "SECTIONS"), ...listIn("panels/sheets.js", "IN_MENU"), "colourKeys", "holdToMove", "moveCross", "pressCross"],
    "door.js": [...listIn("session/entry.js", "KEPT_OUT"), "uninvited"].flatMap((reason) => [`door.${reason}`, `door.${reason}.what`]).concat(listIn("session/entry.js", "KEPT_OUT")),
    "hosting.js": prefixed("role", listIn("panels/hosting.js", "ROLES")),
    "session.js": prefixed("standing", ["muted", "readOnly", "boardLocked"]),
    "status.js": [...listIn("panels/status.js", "AGAIN"), ...listIn("panels/status.js", "ONLINE")],
    "identity.js": listIn("device/identity.js", "COLOUR_NAMES"),
    "names.js": prefixed("reaction", REACTIONS),
  };
  for (const [file, keys] of Object.entries(lists)) yield* keys.map((key) => [key, file]);
}

test("every word that a module names is there", () => {
  const all = Array.from(named());
  assert.ok(all.length > 300, `${all.length} are named`);
  for (const [key, file] of all) assert.ok(key in WORDS.en, `${file} names ${key}`);
});

test("every word that there is is named somewhere", () => {
  const isNamed = new Set(Array.from(named(), ([key]) => key));
  const modules = readdirSync(STATIC, { recursive: true }).filter((file) => file.endsWith(".js") && !file.startsWith("js/words"));
  const sources = modules.map(sourceOf).join("\n");
  const isSaid = (key) => isNamed.has(key) || key.startsWith("order.") || new RegExp(`["\\s{]${key}[":]`).test(sources);
  assert.deepEqual(Object.keys(WORDS.en).filter((key) => !isSaid(key)), []);
});

test("every order that the server keeps has a sentence, which says who gave it", () => {
  const access = readFileSync(new URL("../../server/room/src/access.rs", import.meta.url), "utf8");
  const [, names] = /fn name_of\(.*?\{(.*?)\n\}/s.exec(access);
  const orders = Array.from(names.matchAll(/"(\w+)"/g), ([, name]) => name).filter((name) => !["rules", "audit"].includes(name));
  const set = Array.from(access.matchAll(/done\.what = .*?"(\w+)"\.into\(\)/g), ([, name]) => name);
  assert.ok(orders.length > 10 && set.length > 1, `${orders.length} and ${set.length} are there`);
  for (const name of [...orders, ...set]) assert.match(WORDS.en[`order.${name}`] ?? name, /\{who\}/);
});

/** The names in braces of a text, or of all its forms together. */
const values = (words) => {
  const text = typeof words === "string" ? words : words.other;
  return (text.match(/\{\w+\}/g) ?? []).toSorted().join();
};

for (const code of ["de", "fr", "ar"]) {
  test(`no word is missing in ${code}, and each has its values and its forms for numbers`, () => {
    assert.deepEqual(Object.keys(WORDS[code]).toSorted(), Object.keys(WORDS.en).toSorted());
    const forms = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    for (const [key, words] of Object.entries(WORDS.en)) {
      const translated = WORDS[code][key];
      assert.equal(values(translated), values(words), key);
      assert.equal(typeof translated, typeof words, key);
      if (typeof words === "object") assert.deepEqual(Object.keys(translated).toSorted(), forms.toSorted(), key);
      else assert.notEqual(translated.trim(), "", key);
    }
  });
}

/** An element of a board, from the operation that makes it. */
function made(operation, properties = []) {
  const board = new Board();
  board.submit(1, 1, { gestureBack: 0, ...operation });
  properties.forEach((property, at) => board.submit(1, 2 + at, { type: "patch", gestureBack: 0, element: { author: 0, cseq: 1 }, property }));
  return Array.from(board.visible())[0];
}

const BOX = { type: "shape", kind: "rectangle", colour: "#1c1c28ff", fill: "#00000000", width: 16, scale: 3, x: 80, y: 80, dx: 160, dy: 80 };

test("a map and its inverse undo each other, and one behind another is both", () => {
  const map = geometry.after(geometry.turned(0.7, [3, 4]), geometry.scaled(2, 0.5, [1, 1]));
  const place = [12, -7];
  const there = geometry.applied(map, place);
  const back = geometry.applied(geometry.inverse(map), there);
  back.forEach((side, axis) => assert.ok(Math.abs(side - place[axis]) < 1e-9));
  assert.equal(geometry.inverse([1, 2, 2, 4, 0, 0]), undefined);
});

test("a box comes into sight by the shortest way, and clear of what lies on the screen", () => {
  const screen = [0, 0, 100, 100];
  const way = (box, panels = []) => geometry.wayIntoSight(box, screen, panels);
  assert.deepEqual(way([10, 10, 20, 20]), [0, 0]);
  assert.deepEqual(way([95, 10, 105, 20]), [-5, 0]);
  assert.deepEqual(way([-30, 90, -20, 120]), [30, -20]);
  assert.deepEqual(way([40, 40, 240, 240]), [-40, -40], "what does not fit is seen from its beginning");
  const [bar, map] = [[0, 90, 100, 98], [60, 70, 100, 88]];
  assert.deepEqual(way([10, 85, 20, 95], [map, bar]), [0, -5], "up from below the bar");
  assert.deepEqual(way([70, 85, 80, 95], [map, bar]), [0, -25], "and on from below the map");
  assert.deepEqual(way([10, 2, 20, 12], [[0, 0, 50, 8]]), [0, 6], "down from below one at the top");
});

test("the index finds what a look at every box finds", () => {
  let seed = 7;
  const dice = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const grid = new BoxIndex();
  const boxes = new Map();
  for (let at = 0; at < 2000; at++) {
    const [x, y, size] = [dice() * 2000 - 1000, dice() * 2000 - 1000, 2 ** (dice() * 12 - 3)];
    const box = [x, y, x + size, y + size * dice()];
    boxes.set(String(at % 900), box);
    grid.set(String(at % 900), box);
    // What was asked before must not count, nor what has still to be put into cells.
    if (at % 500 === 0) grid.touching([0, 0, 1, 1]);
    if (at % 7 === 0) {
      grid.delete(String(at % 900));
      boxes.delete(String(at % 900));
    }
  }
  assert.equal(grid.size, boxes.size);
  for (const area of [[0, 0, 10, 10], [-200, -200, 300, 100], [-1e6, -1e6, 1e6, 1e6], [5000, 5000, 6000, 6000]]) {
    const found = Array.from(grid.touching(area)).toSorted();
    const all = Array.from(boxes).filter(([, box]) => geometry.overlap(box, area)).map(([key]) => key);
    assert.deepEqual(found, all.toSorted(), String(area));
  }
});

test("an empty rectangle is hit on its line, a filled one inside, a turned one where it is seen", () => {
  const bounds = [0, 0, 60, 60];
  assert.ok(isAt(made(BOX), [10, 15], 1, bounds));
  assert.ok(!isAt(made(BOX), [20, 15], 1, bounds));
  assert.ok(isAt(made({ ...BOX, fill: "#ff000080" }), [20, 15], 1, bounds));
  const turned = made(BOX, [{ name: "matrix", a: 0, b: 65536, c: -65536, d: 0 }]);
  assert.ok(isAt(turned, [10, 25], 1, [-10, 0, 60, 60]), "its upper side stands upright now");
  assert.ok(!isAt(turned, [25, 20], 1, [-10, 0, 60, 60]));
});

test("the patches of a map make the board show what the preview showed", () => {
  const element = made(BOX);
  const map = geometry.after(geometry.turned(0.3, [20, 20]), geometry.scaled(1.5, 2, [0, 0]));
  const after = made(BOX, patchesFor(element, map));
  assert.deepEqual(after.properties.matrix, previewed(element, map).properties.matrix);
  assert.deepEqual(after.properties.offset, previewed(element, map).properties.offset);
  assert.deepEqual(patchesFor(element, geometry.IDENTITY), []);
  assert.deepEqual(mappedProperties(element, geometry.moved(10, -5)), { offset: [80, -40], matrix: [1, 0, 0, 1] });
});

test("an eraser cuts a line in two, cuts off an end, takes a dot, and leaves what it does not meet", () => {
  const line = { x: [0, 50, 100], y: [0, 0, 0], pressure: [10, 20, 30] };
  const across = [[50, -20], [50, 20]];
  const [left, right] = cut(line, across, 10);
  assert.ok(left.x.at(-1) >= 35 && left.x.at(-1) <= 40, `${left.x}`);
  assert.ok(right.x[0] >= 60 && right.x[0] <= 65 && right.x.at(-1) === 100, `${right.x}`);
  assert.equal(cut(line, [[0, 0], [0, 0]], 10).length, 1);
  assert.deepEqual(cut({ x: [5], y: [5], pressure: [0] }, [[0, 0], [9, 9]], 3), []);
  assert.equal(cut(line, [[50, 30], [60, 30]], 10), undefined);
});

test("boxes are aligned and spread, and places snap", () => {
  const boxes = [[0, 0, 10, 10], [30, 5, 50, 15], [90, 20, 100, 40]];
  assert.deepEqual(aligned(boxes, "left").map(([dx]) => dx), [0, -30, -90]);
  assert.deepEqual(aligned(boxes, "bottom").map(([, dy]) => dy), [30, 25, 0]);
  assert.deepEqual(spread(boxes, 0).map(([dx]) => dx), [0, 10, 0]);
  assert.deepEqual(snapped([13, -27], 20), [20, -20]);
});

test("what is brought forward passes one, what is brought to the front all, and they keep their own order", () => {
  const order = ["a", "b", "c", "d"].map((key, at) => ({ key, rank: (at + 1) * 16384 }));
  const after = (keys, where) => {
    const ranks = reordered(order, new Set(keys), where, 9);
    return order.map((it) => ({ ...it, rank: ranks.get(it.key) ?? it.rank })).toSorted((one, other) => one.rank - other.rank).map(({ key }) => key).join("");
  };
  assert.equal(after(["a"], "forward"), "bacd");
  assert.equal(after(["d"], "backward"), "abdc");
  assert.equal(after(["a", "c"], "front"), "bdac");
  assert.equal(after(["b", "d"], "back"), "bdac");
  assert.equal(after(["d"], "forward"), "abcd");
  assert.equal(after(["a", "b", "c", "d"], "back"), "abcd");
});

test("copies come back from a file as they were, and are refused where they are none", () => {
  const stroke = new Element({
    author: 1, cseq: 1, seq: 1, gesture: 1, deletions: [], patches: [],
    content: {
      type: "stroke", begin: { slot: 0, gestureBack: 0, tool: "pen", colour: "#1c1c28ff", width: 9, scale: 3, x: 5, y: 6, pressure: 7 },
      points: { slot: 0, steps: Array.from({ length: 3000 }, () => [1, 2]), pressures: Array(3000).fill(0) },
    },
  });
  stroke.refresh(() => false);
  const { copies } = read(written([stroke, made(BOX)]));
  assert.deepEqual(copies.map(({ kind }) => kind), ["stroke", "shape"]);
  assert.equal(operationsOf(copies[0], 0).length, 5, "begin, three times points, end");
  assert.deepEqual(copies[0].content, copyOf(stroke).content);
  const refusal = (text, reason) => assert.throws(() => read(text), (error) => error instanceof NotCopies && error.reason === reason, text.slice(0, 60));
  refusal("no JSON", "notOurs");
  refusal("null", "notOurs");
  refusal('{"format":"inkwire elements 1"}', "damaged");
  refusal('{"format":"inkwire elements 1","elements":[{"kind":"text","content":{}}]}', "damaged");
  refusal(`{"format":"inkwire elements 1","elements":[${"0,".repeat(100_000)}0]}`, "tooMany");
  refusal('{"format":"inkwire board 1","elements":[{}],"authors":[]}', "damaged");
});

test("SVG text cannot break out of itself", () => {
  const text = made({ type: "text", colour: "#1c1c28ff", size: 80, scale: 3, x: 0, y: 0, text: "</text><script>&\"'" });
  const picture = svg([text]);
  assert.ok(picture.includes("&lt;/text&gt;&lt;script&gt;&amp;\"'</text>"), picture);
  assert.equal(picture.match(/<script/g), null);
});

test("the name of a picture is its SHA-256", () => {
  for (const length of [0, 1, 55, 56, 64, 1000]) {
    const bytes = new Uint8Array(length).map((_, at) => at * 7);
    assert.equal(sha256(bytes), createHash("sha256").update(bytes).digest("hex"));
  }
});

test("pictures say their size at their beginning, and what is none says nothing", () => {
  const png = new Uint8Array(32);
  png.set([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  new DataView(png.buffer).setUint32(16, 640);
  new DataView(png.buffer).setUint32(20, 480);
  assert.deepEqual(imageSize(png), { type: "image/png", width: 640, height: 480 });
  const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xc2, 0, 11, 8, 1, 0, 2, 0, 3]);
  assert.deepEqual(imageSize(jpeg), { type: "image/jpeg", width: 512, height: 256 });
  const gif = Uint8Array.from([0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 3, 0, 4, 0]);
  assert.deepEqual(imageSize(gif), { type: "image/gif", width: 3, height: 4 });
  for (const none of [[], [0xff, 0xd8], [0xff, 0xd8, 1, 2, 3, 4], png.slice(0, 18), new TextEncoder().encode("<svg/>")]) {
    assert.equal(imageSize(Uint8Array.from(none)), undefined);
  }
});

test("BMP, AVIF and HEIF say their size, and are not taken for pictures that a board keeps", () => {
  const bmp = new Uint8Array(54);
  const header = new DataView(bmp.buffer);
  header.setUint16(0, 0x424d);
  header.setUint32(14, 40, true);
  header.setInt32(18, 640, true);
  header.setInt32(22, -480, true);
  assert.deepEqual(foreignSize(bmp), { width: 640, height: 480 });
  header.setUint32(14, 12, true);
  header.setUint16(18, 32, true);
  header.setUint16(20, 16, true);
  assert.deepEqual(foreignSize(bmp), { width: 32, height: 16 });
  const part = (width, height) => [...Buffer.from("ispe\0\0\0\0"), 0, 0, width >> 8, width & 255, 0, 0, height >> 8, height & 255];
  const heif = Uint8Array.from([0, 0, 0, 16, ...Buffer.from("ftypavif"), ...Array(12).fill(0), ...part(64, 64), ...part(640, 480), ...part(512, 512)]);
  assert.deepEqual(foreignSize(heif), { width: 640, height: 480 }, "the whole, not one of its tiles");
  for (const none of [[], Array.from(bmp.slice(0, 20)), Array.from(heif.slice(0, 39)), Array(64).fill(0)]) {
    assert.equal(foreignSize(Uint8Array.from(none)), undefined);
  }
  assert.equal(imageSize(bmp), undefined);
  assert.equal(imageSize(heif), undefined);
});

test("a link to a place leads back there, and others lead nowhere", () => {
  const viewport = new Viewport(100, -50, 2);
  const back = viewportOf(linkTo(viewport, [1000, 700]), [1000, 700]);
  assert.deepEqual([back.x, back.y, back.zoom], [100, -50, 2]);
  for (const hash of ["", "#", "#1,2", "#a,b,c", "#1,2,NaN", "#1e9,2,1", "#1,2,1;alert(1)"]) assert.equal(viewportOf(hash, [9, 9]), undefined, hash);
  assert.equal(viewportOf("#0,0,999", [9, 9]).zoom, 64);
});

test("a database of any version gets the stores that it lacks, and no other", () => {
  const all = ["operations", "images", "boards", "held"];
  const addedTo = (version) => {
    const added = [];
    const createObjectStore = (name) => ({ createIndex() {}, at: added.push(name) });
    upgrade(/** @type {any} */ ({ createObjectStore }), version);
    return added;
  };
  for (const version of [0, 1, 2, 3, 4, 5]) assert.deepEqual(addedTo(version), all.slice(version), `from version ${version}`);
});

test("unpacked pictures that were not painted for long are let go where there are too many, and come again when they are seen", async (it) => {
  let now = 0;
  const closed = [];
  it.mock.method(performance, "now", () => now);
  const pictures = new Pictures(/** @type {any} */ ({}), new PicturesDelegate());
  pictures.bytesOf = async (hash) => /** @type {any} */ (hash);
  globalThis.createImageBitmap = async (hash) => ({ width: 2560, height: 2560, close: () => closed.push(hash) });
  it.after(() => delete globalThis.createImageBitmap);
  for (const name of "abcdefghijkl") {
    now += 1;
    await pictures.load(name);
  }
  assert.deepEqual(closed, [], "all of them were just painted");
  now += 100_000;
  pictures.pixelsOf("a");
  await pictures.load("m");
  assert.deepEqual(closed, ["b", "c", "d"], "ten of them are 256 MiB");
  assert.equal(pictures.pixelsOf("b"), undefined);
  await new Promise(setImmediate);
  assert.ok(pictures.pixelsOf("b"), "it comes again");
});

/** @type {(key: string, more?: object) => any} */
const event = (key, more) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

test("keys are written in one way, and signs that need Shift are found without it", () => {
  assert.equal(keysOf(event("Z", { ctrlKey: true, shiftKey: true })), "Mod+Shift+z");
  const commands = [{ name: "help", keys: ["?"] }, { name: "undo", keys: ["Mod+z"] }];
  assert.equal(commandFor(commands, event("?", { shiftKey: true })).name, "help");
  assert.equal(commandFor(commands, event("z", { metaKey: true })).name, "undo");
  assert.equal(commandFor(commands, event("z")), undefined);
});

test("keys mean the same on keyboards of other scripts, and where digits need Shift", () => {
  const commands = [{ name: "undo", keys: ["Mod+z"] }, { name: "zoomToFit", keys: ["0"] }, { name: "copy", keys: ["Mod+c"], isBrowsers: true }];
  assert.equal(commandFor(commands, event("ئ", { code: "KeyZ", ctrlKey: true })).name, "undo", "Arabic");
  assert.equal(commandFor(commands, event("à", { code: "Digit0" })).name, "zoomToFit", "French");
  assert.equal(commandFor(commands, event("0", { code: "Digit0", shiftKey: true })).name, "zoomToFit", "French, with Shift");
  assert.equal(commandFor(commands, event("c", { code: "KeyC", ctrlKey: true })), undefined, "the browser's own");
  assert.equal(letterOf({ key: "€", code: "KeyE", getModifierState: () => true }), "€", "with AltGr");
  assert.equal(letterOf({ key: "ö", code: "Semicolon" }), "ö");
  assert.equal(letterOf({ key: "q", code: "KeyA" }), "q", "where its letter is, not where it lies");
});

test("a sign that is typed with AltGr or Option is that sign, also where a system reports other keys for it", () => {
  const app = new Proxy(() => {}, { get: () => app });
  const nameOf = (key, more) => commandFor(commandsOf(app), event(key, more))?.name;
  const getModifierState = (name) => name === "AltGraph";
  assert.equal(nameOf("]", { code: "Digit9", ctrlKey: true, altKey: true, getModifierState }), "wider", "Windows, German");
  assert.equal(nameOf("]", { code: "Digit9", getModifierState }), "wider", "Linux, German");
  assert.equal(nameOf("]", { code: "Digit9", ctrlKey: true, getModifierState }), "forward", "Linux, German, with Ctrl");
  assert.equal(nameOf("]", { code: "Digit6", altKey: true }), "wider", "Mac, German");
  assert.equal(nameOf("[", { code: "Digit5", altKey: true, metaKey: true }), "backward", "Mac, German, with the command key");
  assert.equal(nameOf("@", { code: "KeyQ", ctrlKey: true, altKey: true, getModifierState }), undefined);
  assert.equal(nameOf("z", { code: "KeyZ", ctrlKey: true, altKey: true }), undefined, "Ctrl and Alt themselves are no AltGr");
  assert.equal(nameOf("]", { code: "BracketRight", ctrlKey: true }), "forward");
  for (const [key, name] of Object.entries({ Home: "front", PageUp: "forward", PageDown: "backward", End: "back" })) assert.equal(nameOf(key), name);
});

test("a colour of the style sheet is written where none can be read, and nowhere else", () => {
  const [paper, ...others] = Array.from(sourceOf("style.css").matchAll(/--(?:paper|accent): (#\w+)/g), ([, colour]) => colour);
  assert.equal(others.length, 3, "two colours on a light page, and two on a dark one");
  const server = readFileSync(new URL("../../server/src/export/svg.rs", import.meta.url), "utf8");
  const alone = [sourceOf("index.html"), sourceOf("start.html"), sourceOf("inkwire.webmanifest"), sourceOf("js/files/svg.js"), server];
  for (const text of alone) assert.ok(text.includes(paper), text.slice(0, 100));
  // The paper of files; and a colour that people draw with, which is the accent's by chance.
  const mayName = ["js/files/svg.js", "js/device/identity.js"];
  const modules = readdirSync(STATIC, { recursive: true }).filter((file) => file.endsWith(".js") && !mayName.includes(file));
  const naming = modules.filter((file) => [paper, ...others].some((colour) => sourceOf(file).includes(colour)));
  assert.deepEqual(naming, []);
});

test("how much there is to draw in an SVG is told from its text", () => {
  const svg = (inside) => `<?xml version="1.0"?><!-- <g> --><svg xmlns="http://www.w3.org/2000/svg">${inside}</svg>`;
  const floors = (count, floor) => Array.from({ length: count }, (_, at) => floor(at + 1)).join("");
  assert.equal(drawnBy(svg("<g><path d='M0 0>'/><path d='a'/></g>")), 5, "the text, the svg and what is in it");
  assert.equal(drawnBy(svg('<path id="a"/><use href="#a"/><use xlink:href="#a"/>')), 7, "each use draws it once more");
  assert.equal(drawnBy(svg('<g id="a"><use href="#a"/></g>')), 4, "not what refers to itself");
  const uses = floors(9, (at) => `<g id="f${at}">${`<use href="#f${at - 1}"/>`.repeat(10)}</g>`);
  assert.ok(drawnBy(svg(`<path id="f0"/>${uses}`)) > 1e9);
  const patterns = floors(9, (at) => `<pattern id="f${at}">${`<rect fill="url(#f${at - 1})"/>`.repeat(10)}</pattern>`);
  assert.ok(drawnBy(svg(`<path id="f0"/>${patterns}`)) > 1e9);
  const styled = `<style>rect { fill: url(#p); }</style><pattern id="p">${"<rect/>".repeat(1000)}</pattern>${"<rect/>".repeat(1000)}`;
  assert.ok(drawnBy(svg(styled)) > 1e6);
  assert.equal(drawnBy(`<!DOCTYPE svg [<!ENTITY a "ink"><!ENTITY b "&a;&a;">]>${svg("&b;")}`), Infinity);
  assert.equal(drawnBy(`<!DOCTYPE svg [<!ENTITY ns "http://ns.adobe.com/">]>${svg("<g/>")}`), 3);
  assert.equal(drawnBy(svg("<g>".repeat(1_000_000))), Infinity);
  // Whatever it is, it is told soon.
  for (const part of ["<", '<a "', "<!--", "</", "<a b='", "<![CDATA[", "#", "<!ENTITY", "<!ENTITY a '"]) assert.ok(drawnBy(part.repeat(300_000)) >= 1, part);
});
