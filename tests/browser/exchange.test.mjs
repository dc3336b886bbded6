// Taking along and bringing in: files that are opened again, the same picture everywhere, and files that are not what they say.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { differenceTo, drop, everything, picture } from "./everything.mjs";
import { BINARY, agree, sharedHouse, wave } from "./house.mjs";

const data = mkdtempSync(join(tmpdir(), "inkwire-exchange-"));
after(() => rmSync(data, { recursive: true }));
const the = sharedHouse("--data", data);

const board = (name) => `${the.server.url}b/${name}`;

const bytesOf = (text) => Array.from(new TextEncoder().encode(text));

const exported = (page, kind, part = "board") =>
  page.evaluate(async ([kind, part]) => (await globalThis.inkwire.exchange.blob(kind, part)).text(), [kind, part]);

const boards = (...parts) => execFileSync(BINARY, ["boards", "--data", data, ...parts], { maxBuffer: 64 * 1024 * 1024 }).toString();

test("the page and the server write the same picture, and the canvas shows the same pixels", async () => {
  const ada = await the.browser.person(board("everything"), { viewport: { width: 1000, height: 760 } });
  await everything(ada);
  const fromServer = boards("export", "everything", "--format", "svg");
  const fromPage = await exported(ada.page, "svg");
  assert.equal(fromPage.replace(/<metadata.*<\/metadata>\n/, ""), fromServer, "byte for byte");
  const { share, size } = await differenceTo(ada.page, fromServer);
  console.log(`page and server differ in ${(share * 100).toFixed(3)} % of ${size} pixels`);
  assert.ok(share < 0.005, `${share}`);
});

test("a PNG is the picture that is seen, of the board, the view or what is selected, and goes to the clipboard", async () => {
  const ada = await the.browser.person(board("png"), { permissions: ["clipboard-read", "clipboard-write"] });
  await ada.page.evaluate(() => globalThis.inkwire.toolbar.choose({ fill: "solid", colour: "#e03231" }));
  await ada.presses("r");
  await ada.draws([[200, 200], [300, 300]]);
  await ada.page.evaluate(() => globalThis.inkwire.toolbar.choose({ colour: "#1971c2" }));
  await ada.draws([[500, 200], [600, 300]]);
  /** Size, and the colours in the middle of either half. */
  const decoded = (source) =>
    ada.page.evaluate(async (source) => {
      const { exchange } = globalThis.inkwire;
      const [item] = source === "clipboard" ? await navigator.clipboard.read() : [];
      const image = await createImageBitmap(item ? await item.getType("image/png") : await exchange.blob("png", source));
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      const at = (share) => Array.from(context.getImageData(image.width * share, image.height / 2, 1, 1).data.slice(0, 3));
      return { width: image.width, height: image.height, colours: [at(0.15), at(0.85)] };
    }, source);
  const [red, blue] = [[224, 50, 49], [25, 113, 194]];
  const whole = await decoded("board");
  assert.deepEqual(whole.colours, [red, blue]);
  assert.ok(whole.width > whole.height * 2);
  assert.notDeepEqual((await decoded("view")).colours, [red, blue], "the view has paper at its sides");
  await ada.presses("v");
  await ada.page.mouse.click(550, 250);
  assert.deepEqual((await decoded("selection")).colours, [blue, blue]);
  await ada.page.evaluate(() => globalThis.inkwire.exchange.copyPicture("board"));
  assert.deepEqual(await decoded("clipboard"), whole);
});

test("what is saved as JSON or SVG is brought in again as it was", async () => {
  const ada = await the.browser.person(board("again"));
  await everything(ada);
  const looks = (person) => person.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ kind, content, properties }) => [kind, content.kind, properties.colour, properties.dash, properties.text, properties.matrix.join(), content.image]));
  const before = await looks(ada);
  for (const kind of ["json", "svg"]) {
    const bob = await the.browser.person(board(`again-${kind}`));
    const type = kind === "json" ? "application/json" : "image/svg+xml";
    await drop(bob.page, [{ bytes: bytesOf(await exported(ada.page, kind)), name: `again.${kind}`, type }]);
    await bob.sees("all of it", ({ elements }) => elements.length === 11);
    assert.deepEqual(await looks(bob), before, kind);
    await bob.presses("Control+z");
    await bob.sees("one step", ({ elements }) => elements.length === 0);
  }
  // Also what the operator's command exports.
  const bob = await the.browser.person(board("again-archive"));
  await drop(bob.page, [{ bytes: bytesOf(boards("export", "again")), name: "again.json", type: "application/json" }]);
  await bob.sees("all of it", ({ elements }) => elements.length === 11);
  assert.deepEqual(await looks(bob), before);
});

test("a selection and the view are exported alone, and a file is saved under the board's name", async () => {
  const ada = await the.browser.person(board("parts"));
  await ada.draws(wave(100, 200));
  await ada.draws(wave(100, 400));
  await ada.presses("v");
  await ada.page.mouse.click(160, 200 + 40 * Math.sin(5 / 3));
  const count = async (part) => JSON.parse(await exported(ada.page, "json", part)).elements.length;
  assert.deepEqual([await count("board"), await count("selection"), await count("view")], [2, 1, 2]);
  await ada.page.evaluate(() => globalThis.inkwire.goTo([5000, 5000]));
  assert.equal(await count("view"), 0);
  await ada.presses("Control+e");
  const saved = ada.page.waitForEvent("download");
  await ada.page.click("#export-save");
  const download = await saved;
  assert.equal(download.suggestedFilename(), "parts.png");
  assert.deepEqual(Array.from(readFileSync(await download.path()).subarray(1, 4)), bytesOf("PNG"));
});

test("a picture that is dropped is seen by others, also later, and kept by its hash", async () => {
  const ada = await the.browser.person(board("picture"));
  const bob = await the.browser.person(board("picture"));
  await drop(ada.page, [{ bytes: await picture(ada.page), name: "two.png", type: "image/png" }]);
  const seen = (person) => person.page.waitForFunction(() => Array.from(globalThis.inkwire.pictures.pixels.values()).some(Boolean));
  await seen(ada);
  await seen(bob);
  assert.equal(await ada.pixels(), await bob.pixels());
  const hash = await bob.page.evaluate(() => globalThis.inkwire.exchange.elements("board")[0].content.image);
  const answer = await fetch(`${the.server.url}images/${hash}`);
  assert.equal(answer.headers.get("content-type"), "image/png");
  assert.match(answer.headers.get("content-security-policy"), /sandbox/);
  assert.equal((await fetch(`${the.server.url}images/${"0".repeat(64)}`)).status, 404);
  const eve = await the.browser.person(board("picture"));
  await seen(eve);
  assert.equal(await eve.pixels(), await bob.pixels());
});

test("a picture that is dropped offline arrives later, even when the tab is closed before", async () => {
  const ada = await the.browser.person(board("offline-picture"));
  ada.allowed = /./;
  await ada.page.context().setOffline(true);
  await ada.page.waitForSelector('#status:not([data-state="online"])', { timeout: 30_000 });
  await drop(ada.page, [{ bytes: await picture(ada.page), name: "two.png", type: "image/png" }]);
  await ada.sees("it is here", ({ elements }) => elements.length === 1);
  await ada.page.context().setOffline(false);
  await ada.page.reload();
  await ada.isLive();
  const bob = await the.browser.person(board("offline-picture"));
  await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.pictures.pixels.values()).some(Boolean));
  await ada.page.waitForFunction(() => globalThis.inkwire.pictures.unsent.size === 0);
});

const SCRIPT = `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60" onload="globalThis.isHacked=1">
  <script>globalThis.isHacked = 1; fetch("/hacked")</script><rect width="80" height="60" fill="#2b8a3e" onclick="globalThis.isHacked=1"/>
  <image href="http://127.0.0.1:9/external.png" width="10" height="10"/><use href="http://127.0.0.1:9/x.svg#a"/></svg>`;

/** A PNG that says it has so many pixels. */
/** Nine floors of ten references each. */
function useBomb() {
  const floor = (at) => `<g id="f${at}">${`<use href="#f${at - 1}"/>`.repeat(10)}</g>`;
  const floors = Array.from({ length: 9 }, (_, at) => floor(at + 1)).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60"><defs><path id="f0" d="M0 0h9"/>${floors}</defs><use href="#f9"/></svg>`;
}

function entityBomb() {
  const floor = (at) => `<!ENTITY f${at} "${`&f${at - 1};`.repeat(10)}">`;
  const floors = Array.from({ length: 9 }, (_, at) => floor(at + 1)).join("");
  return `<!DOCTYPE svg [<!ENTITY f0 "ink">${floors}]><svg xmlns="http://www.w3.org/2000/svg" width="80" height="60"><text>&f9;</text></svg>`;
}

function bomb(width, height) {
  const bytes = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.from([0, 0, 0, 13]), Buffer.from("IHDR"), Buffer.alloc(17)]);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return Array.from(bytes);
}

const BAD_FILES = [
  ["text that says it is a picture", { bytes: bytesOf("no picture"), name: "a.png", type: "image/png" }, /neither a picture/],
  ["HTML", { bytes: bytesOf("<script>globalThis.isHacked=1</script>"), name: "a.html", type: "text/html" }, /neither a picture/],
  ["a bomb", { bytes: bomb(60_000, 60_000), name: "a.png", type: "image/png" }, /too large/],
  ["a picture that is cut off", { bytes: bomb(100, 100), name: "a.png", type: "image/png" }, /neither a picture/],
  ["an SVG in which a few stand for a thousand million", { bytes: bytesOf(useBomb()), name: "a.svg", type: "image/svg+xml" }, /too large/],
  ["an SVG whose entities would fill the memory", { bytes: bytesOf(entityBomb()), name: "a.svg", type: "image/svg+xml" }, /too large/],
  ["an SVG that is none", { bytes: bytesOf("<svg><<<"), name: "a.svg", type: "image/svg+xml" }, /neither a picture/],
  ["JSON of another program", { bytes: bytesOf('{"type":"excalidraw","elements":[]}'), name: "a.json", type: "application/json" }, /not of Inkwire/],
  ["a picture of another name", { bytes: bytesOf(`{"format":"inkwire elements 1","elements":[],"images":{"${"ab".repeat(32)}":"data:;base64,AAAA"}}`), name: "a.json", type: "application/json" }, /damaged/],
  ["no JSON", { bytes: bytesOf("{"), name: "a.json", type: "application/json" }, /not of Inkwire/],
  ["elements that are none", { bytes: bytesOf('{"format":"inkwire elements 1","elements":[{"kind":"stroke"}]}'), name: "a.json", type: "application/json" }, /damaged/],
  ["an element beyond all bounds", { bytes: bytesOf('{"format":"inkwire elements 1","elements":[{"kind":"shape","content":{"kind":"line","colour":"#000000ff","fill":"#000000ff","width":9,"scale":3,"x":1e300,"y":0,"dx":1,"dy":1}}]}'), name: "a.json", type: "application/json" }, /damaged/],
  ["a kind with a prototype's name", { bytes: bytesOf('{"format":"inkwire elements 1","elements":[{"kind":"__proto__","content":{}}]}'), name: "a.json", type: "application/json" }, /damaged/],
];

test("files that are not what they say are refused with a word, and nothing on the board changes", async () => {
  const ada = await the.browser.person(board("bad-files"));
  await ada.draws(wave(100, 200));
  for (const [what, file, words] of BAD_FILES) {
    await ada.page.evaluate(() => (document.querySelector("#toast").textContent = ""));
    await drop(ada.page, [file]);
    await ada.page.waitForFunction(() => document.querySelector("#toast").textContent !== "");
    assert.match(await ada.page.textContent("#toast"), words, what);
    assert.equal((await ada.state()).elements.length, 1, what);
  }
  assert.equal(await ada.page.evaluate(() => globalThis.isHacked), undefined);
});

test("an SVG with scripts and references is a picture: nothing in it runs, nothing is fetched", async () => {
  const ada = await the.browser.person(board("svg"));
  const asked = [];
  ada.page.on("request", (request) => asked.push(request.url()));
  ada.page.on("dialog", () => assert.fail("something was executed"));
  await drop(ada.page, [{ bytes: bytesOf(SCRIPT), name: "a.svg", type: "image/svg+xml" }]);
  await ada.sees("a picture", ({ elements }) => elements.length === 1);
  assert.equal(await ada.page.evaluate(() => globalThis.isHacked), undefined);
  assert.deepEqual(asked.filter((url) => /hacked|external|x\.svg/.test(url)), []);
  // What was made of it has no lines of it left, only pixels.
  const hash = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board")[0].content.image);
  await ada.page.waitForFunction(() => globalThis.inkwire.pictures.unsent.size === 0);
  assert.equal((await fetch(`${the.server.url}images/${hash}`)).headers.get("content-type"), "image/png");
});

const pasted = (person, text) =>
  person.page.evaluate((text) => {
    document.querySelector("#toast").textContent = "";
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);

test("what another program has copied is refused, and lines that end as on other systems are not too long", async () => {
  const ada = await the.browser.person(board("paste-others"));
  await pasted(ada, '{"type":"excalidraw/clipboard","elements":[]}');
  assert.match(await ada.page.textContent("#toast"), /not of Inkwire/);
  assert.equal((await ada.state()).elements.length, 0);
  await pasted(ada, `${"<!-- -->".repeat(40)} <p>`);
  await ada.sees("a text", ({ elements }) => elements.length === 1);
  await ada.presses("Control+z");
  await pasted(ada, "two\r\nlines");
  await ada.sees("a text", ({ elements }) => elements.length === 1);
  assert.equal(await ada.page.textContent("#toast"), "");
  await pasted(ada, '<?xml version="1.0"?>\n<!-- made by hand -->\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  await ada.sees("a picture", ({ elements }) => elements.length === 2);
  const kinds = await ada.page.evaluate(() => globalThis.inkwire.exchange.elements("board").map(({ kind }) => kind));
  assert.deepEqual(kinds, ["text", "picture"]);
});

test("what cannot be read is refused with a word, and what comes with it is taken", async () => {
  const ada = await the.browser.person(board("folder"));
  ada.allowed = /a file was not taken/;
  await ada.page.evaluate(async (bytes) => {
    const folder = new File(["x"], "folder");
    folder.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotFoundError")) });
    await globalThis.inkwire.exchange.take([folder, new File([new Uint8Array(bytes)], "a.png", { type: "image/png" })], [300, 300]);
  }, await picture(ada.page, "image/png", [40, 40]));
  assert.match(await ada.page.textContent("#toast"), /neither a picture/);
  await ada.sees("the picture", ({ elements }) => elements.length === 1);
});

test("things are copied and pasted without a keyboard, and a link is shown where it cannot be copied", async () => {
  const ada = await the.browser.person(board("buttons"), { before: () => Object.defineProperty(navigator, "clipboard", { value: undefined }) });
  await ada.presses("r");
  await ada.draws([[300, 200], [420, 300]]);
  await ada.presses("v");
  await ada.page.mouse.click(300, 250);
  await ada.page.click('#selection-bar [data-command="copy"]');
  await ada.page.click("#menu-button");
  await ada.page.click('#menu-list [data-command="paste"]');
  await ada.sees("two", ({ elements }) => elements.length === 2);
  await ada.page.click("#share");
  await ada.page.waitForSelector("#link[open]");
  assert.equal(await ada.page.inputValue("#link-field"), board("buttons"));
  assert.equal(await ada.page.evaluate(() => getSelection().toString()), board("buttons"));
});

test("a PNG that is asked for at once has its pictures", async () => {
  const ada = await the.browser.person(board("png-early"));
  await drop(ada.page, [{ bytes: await picture(ada.page, "image/png", [200, 200]), name: "a.png", type: "image/png" }]);
  await ada.sees("a picture", ({ elements }) => elements.length === 1);
  await ada.page.waitForFunction(() => globalThis.inkwire.pictures.unsent.size === 0);
  const middle = (person) => person.page.evaluate(async () => {
    const image = await createImageBitmap(await globalThis.inkwire.exchange.blob("png", "board"));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return Array.from(context.getImageData(image.width / 2, image.height / 2, 1, 1).data);
  });
  const bob = await the.browser.person(board("png-early"));
  // As if the board had been opened this moment.
  await bob.page.evaluate(() => globalThis.inkwire.pictures.pixels.clear());
  assert.deepEqual(await middle(bob), await middle(ada));
});

test("a board of text that was pasted is text, and a large picture is made smaller", async () => {
  const ada = await the.browser.person(board("paste"));
  await pasted(ada, "pasted <b>words</b>");
  await ada.sees("a text", ({ elements }) => elements.length === 1);
  await drop(ada.page, [{ bytes: await picture(ada.page, "image/jpeg", [5000, 300]), name: "wide.jpg", type: "image/jpeg" }]);
  await ada.sees("a picture", ({ elements }) => elements.length === 2);
  const [width] = await ada.page.evaluate(() => Array.from(globalThis.inkwire.pictures.pixels.values(), ({ width, height }) => [width, height])[0]);
  assert.equal(width, 2560);
  const bob = await the.browser.person(board("paste"));
  await agree(ada, bob);
});

test("a board is printed as one picture", async () => {
  const ada = await the.browser.person(board("print"));
  await ada.draws(wave(100, 200));
  await ada.page.evaluate(() => (globalThis.print = () => (globalThis.printed = document.querySelector("#print").naturalWidth)));
  await ada.presses("Control+p");
  await ada.page.waitForFunction(() => globalThis.printed > 0);
  await ada.page.emulateMedia({ media: "print" });
  const shown = await ada.page.evaluate(() => Array.from(document.body.children).filter((it) => getComputedStyle(it).display !== "none").map(({ id }) => id));
  assert.deepEqual(shown, ["print"]);
  writeFileSync(join(data, "printed.pdf"), await ada.page.pdf());
});
