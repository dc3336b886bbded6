// For everyone: no violation that axe finds, in any language, light or dark, on phone, tablet and desk; screen readers are told
// what others do; and what it looks like.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { devices } from "playwright-core";
import { fingers, sharedHouse, violations, wave } from "./house.mjs";

const the = sharedHouse();
const SHOTS = fileURLToPath(new URL("../screenshots/", import.meta.url));

const board = (name) => `${the.server.url}b/${name}`;

const SHEETS = ["menu", "help", "export", "objects", "hosting", "network", "door"];

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing on the page and its sheets, ${colorScheme}`, async () => {
    const ada = await the.browser.person(board(`axe-${colorScheme}`), { colorScheme });
    await ada.draws(wave(100, 200));
    await ada.presses("Control+a");
    await ada.page.click("#more-style");
    assert.deepEqual(await violations(ada.page), []);
    await ada.page.click("#people");
    assert.deepEqual(await violations(ada.page), [], "people");
    for (const sheet of SHEETS) {
      await ada.page.evaluate((sheet) => globalThis.inkwire.sheets.open(sheet), sheet);
      assert.deepEqual(await violations(ada.page), [], sheet);
    }
    await ada.page.evaluate(() => globalThis.inkwire.sheets.showLink("https://example.org/b/x"));
    assert.deepEqual(await violations(ada.page), [], "a link");
    await ada.page.click("#link .close");
    await ada.presses("Escape");
    await ada.writes("t", [400, 400], "words");
    assert.deepEqual(await violations(ada.page), [], "an open field");
    await ada.presses("Control+Enter");
    await ada.page.goto(`${the.server.url}#boards`);
    await ada.page.waitForSelector("#opened li");
    assert.deepEqual(await violations(ada.page), [], "the start page");
  });
}

for (const [name, options] of [["phone", devices["Pixel 7"]], ["tablet", { viewport: { width: 820, height: 1180 }, hasTouch: true }]]) {
  test(`axe finds nothing on the page and its sheets, ${name}`, async () => {
    const ada = await the.browser.person(board(`axe-${name}`), options);
    const touch = await fingers(ada);
    await touch("touchStart", [100, 300]);
    for (const place of wave(100, 300, 10)) await touch("touchMove", place);
    await touch("touchEnd");
    await ada.sees("what a finger drew", ({ elements }) => elements.length === 1 && !elements[0].live);
    await ada.page.evaluate(() => globalThis.inkwire.desk.selectAll());
    assert.deepEqual(await violations(ada.page), []);
    for (const sheet of SHEETS) {
      await ada.page.evaluate((sheet) => globalThis.inkwire.sheets.open(sheet), sheet);
      assert.deepEqual(await violations(ada.page), [], sheet);
    }
  });
}

for (const [locale, dir, words] of [["de-AT", "ltr", "Teilen"], ["fr-CA", "ltr", "Partager"], ["ar-EG", "rtl", "مشاركة"], ["ja-JP", "ltr", "Share"]]) {
  test(`the page speaks the browser's language, or English: ${locale}`, async () => {
    const ada = await the.browser.person(board(`words-${locale}`), { locale });
    assert.equal(await ada.page.textContent("#share"), words);
    assert.equal(await ada.page.getAttribute("html", "dir"), dir);
    const empty = await ada.page.evaluate(() => Array.from(document.querySelectorAll("[data-words], button")).filter((it) => it.checkVisibility() && !it.textContent.trim() && !it.getAttribute("aria-label")).map((it) => it.outerHTML));
    assert.deepEqual(empty, []);
    await ada.draws([[300, 300], [500, 300]]);
    await ada.pixels();
    const inked = await ada.page.evaluate(() => {
      const { viewport, session } = globalThis.inkwire;
      const [{ ink }] = session.board.visible();
      const row = document.querySelector("#base").getContext("2d").getImageData(0, 300, 600, 1).data;
      return { from: viewport.toScreen([ink.x[0] / 8, ink.y[0] / 8]).map(Math.round), alpha: [250, 400, 550].map((x) => row[x * 4 + 3]) };
    });
    assert.deepEqual(inked, { from: [300, 300], alpha: [0, 255, 0] }, "ink is where it was drawn");
    assert.deepEqual(await violations(ada.page), []);
  });
}

test("another language and other colours can be chosen, and are kept", async () => {
  const ada = await the.browser.person(board("choices"));
  await ada.page.click("#menu-button");
  await ada.page.selectOption("#theme", "dark");
  assert.equal(await ada.page.getAttribute("html", "data-theme"), "dark");
  // The browser's own bar has the colour of the paper.
  await ada.page.waitForFunction(() => {
    const ofBar = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="theme-color"]')).content;
    return ofBar === getComputedStyle(document.documentElement).getPropertyValue("--paper");
  });
  await ada.page.selectOption("#language", "de");
  await ada.page.waitForSelector('html[lang="de"]');
  await ada.isLive();
  assert.equal(await ada.page.textContent("#share"), "Teilen");
  assert.equal(await ada.page.getAttribute("html", "data-theme"), "dark");
});

test("dark paper shows black ink light, and a file of it is as it was drawn", async () => {
  const ada = await the.browser.person(board("dark-ink"), { colorScheme: "dark" });
  await ada.draws([[100, 200], [300, 200]]);
  await ada.pixels();
  const shown = await ada.page.evaluate(() => Array.from(document.querySelector("#base").getContext("2d").getImageData(200, 200, 1, 1).data));
  assert.ok(shown[0] > 180, `shown as ${shown}`);
  const svg = await ada.page.evaluate(async () => (await globalThis.inkwire.exchange.blob("svg", "board")).text());
  assert.ok(svg.includes('stroke="#1c1c28"'));
});

test("screen readers hear who comes, draws and goes, and the list says what is on the board", async () => {
  const ada = await the.browser.person(board("heard"), { name: "Ada" });
  const bob = await the.browser.person(board("heard"), { name: "Bob" });
  const hears = (words) => ada.page.waitForFunction((words) => document.querySelector("#announcer").textContent.includes(words), words);
  await hears("Bob");
  await bob.draws(wave(100, 200));
  await hears("drew something");
  // What is said is gathered for some seconds, so that nobody is talked over.
  await bob.presses("Control+a");
  await bob.presses("ArrowRight");
  await hears("changed something");
  await bob.presses("Delete");
  await hears("deleted something");
  // The list follows what others do while it is open, and whoever is in it by keyboard stays there.
  await ada.presses("Shift+O");
  assert.equal(await ada.page.locator("#objects-list li").count(), 0);
  await bob.presses("Control+z");
  const line = await ada.page.textContent("#objects-list li");
  assert.match(line.replaceAll(/[\u2068\u2069]/g, ""), /Pen|Stroke/);
  await ada.page.focus("#objects-list button");
  const listed = await ada.page.evaluate(() => document.activeElement.textContent);
  await bob.presses("p");
  await bob.draws(wave(100, 300));
  await ada.page.waitForFunction(() => document.querySelectorAll("#objects-list li").length === 2);
  assert.equal(await ada.page.evaluate(() => document.activeElement.textContent), listed);
  await ada.presses("Enter");
  assert.equal(await ada.page.evaluate(() => globalThis.inkwire.selection.keys.size), 1);
});

test("a sheet closes by a press beside it, and by none on its edge or that began in it", async () => {
  const ada = await the.browser.person(board("sheet"));
  await ada.presses("?");
  const isOpen = () => ada.page.evaluate(() => document.querySelector("#help").open);
  const { x, y, width } = await ada.page.locator("#help").boundingBox();
  await ada.page.mouse.click(x + width / 2, y + 4);
  assert.ok(await isOpen(), "on its edge");
  await ada.page.mouse.move(x + width / 2, y + 40);
  await ada.page.mouse.down();
  await ada.page.mouse.move(x - 20, y + 40);
  await ada.page.mouse.up();
  assert.ok(await isOpen(), "begun in it");
  await ada.page.mouse.click(x - 20, y + 40);
  assert.ok(!(await isOpen()), "beside it");
});

test("who asks for less motion gets none", async () => {
  const ada = await the.browser.person(board("motion"), { reducedMotion: "reduce" });
  assert.equal(await ada.page.evaluate(() => getComputedStyle(document.querySelector("#toast")).transitionDuration), "0s");
});

test("a link to a place goes there, and who is followed is followed", async () => {
  const ada = await the.browser.person(`${board("place")}#1200,-340,2`);
  const middle = () => ada.page.evaluate(() => globalThis.inkwire.viewport.toBoard([500, 350]).map(Math.round));
  assert.deepEqual(await middle(), [1200, -340]);
  await ada.page.evaluate(() => (location.hash = "#0,0,1"));
  await ada.page.waitForFunction(() => globalThis.inkwire.viewport.zoom === 1);
  assert.deepEqual(await middle(), [0, 0]);
  const bob = await the.browser.person(board("place"), { name: "Bob" });
  await ada.page.waitForFunction(() => globalThis.inkwire.session.people.size === 2);
  await ada.page.click("#people");
  await ada.page.click("#person-list button");
  await bob.page.evaluate(() => globalThis.inkwire.goTo([777, 333], 1));
  await ada.page.waitForFunction(() => Math.abs(globalThis.inkwire.viewport.toBoard([500, 350])[0] - 777) < 2);
  assert.match(await ada.page.textContent("#following-text"), /Bob/);
  await ada.page.mouse.wheel(0, 50);
  await ada.page.waitForSelector("#following", { state: "hidden" });
  // Somebody who does not move is gone to again.
  const follows = (person, other) => person.page.evaluate((name) => {
    const { session } = globalThis.inkwire;
    globalThis.inkwire.presence.follow(Array.from(session.people).find(([, it]) => it.name === name)[0]);
  }, other);
  await follows(ada, "Bob");
  await ada.page.waitForFunction(() => Math.abs(globalThis.inkwire.viewport.toBoard([500, 350])[1] - 333) < 2);
});

test("two who follow each other stay where they are, and what is beside the board does not lie on each other", async () => {
  const ada = await the.browser.person(board("each-other"), { name: "Ada" });
  const bob = await the.browser.person(board("each-other"), { name: "Bob", viewport: { width: 500, height: 800 } });
  await ada.presses("r");
  await ada.draws([[300, 200], [420, 300]]);
  await ada.presses("v");
  await ada.page.mouse.click(300, 250);
  const follows = async (person, name) => {
    const known = await person.page.waitForFunction((name) => Array.from(globalThis.inkwire.session.people).find(([, it]) => it.name === name && it.view)?.[0], name);
    await person.page.evaluate((author) => globalThis.inkwire.presence.follow(author), await known.jsonValue());
  };
  await follows(ada, "Bob");
  await follows(bob, "Ada");
  const zooms = () => Promise.all([ada, bob].map(({ page }) => page.evaluate(() => globalThis.inkwire.viewport.zoom)));
  await ada.page.waitForTimeout(500);
  const before = await zooms();
  await ada.page.waitForTimeout(1000);
  assert.deepEqual(await zooms(), before);
  const boxes = await ada.page.evaluate(() => ["#following", "#selection-bar", "#origin"].map((id) => document.querySelector(id).getBoundingClientRect().toJSON()));
  assert.ok(boxes.every(({ height }) => height > 20), JSON.stringify(boxes));
  boxes.slice(1).forEach(({ top }, at) => assert.ok(top >= boxes[at].bottom, JSON.stringify(boxes)));
});

test("a board whose name is none is refused in words, on a page where another can be opened", async () => {
  const names = ["%3Cscript%3E", "a%E2%80%AEb", "a%20b", "x".repeat(3_000)];
  for (const name of names) {
    const ada = await the.browser.person(board(name), { letIn: false });
    await ada.page.waitForFunction(() => document.querySelector("#bad-name")?.textContent.includes("1 to 64 letters"));
    assert.equal(await ada.page.evaluate(() => location.pathname), "/");
    ada.page.on("dialog", () => assert.fail("something was executed"));
    await ada.page.fill("#board-to-open", "<b>bold</b>".repeat(10_000));
    await ada.page.click("#open-named button");
    assert.match(await ada.page.textContent("#bad-name"), /1 to 64 letters/);
  }
});

/** How many pixels of the small map have about a colour. */
const mapPixels = (person, colour) =>
  person.page.evaluate((colour) => {
    const map = document.querySelector("#minimap");
    const copy = new OffscreenCanvas(map.width, map.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(map, 0, 0);
    const { data } = copy.getImageData(0, 0, map.width, map.height);
    const wanted = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] > 48 && wanted.every((side, axis) => Math.abs(data[at + axis] - side) < 24)) count += 1;
    }
    return count;
  }, colour);

test("the small map has frames where the others look, and a press on it goes there", async () => {
  const ada = await the.browser.person(board("map"));
  const bob = await the.browser.person(board("map"), { name: "Bob", colour: "#2b8a3e" });
  await ada.draws(wave(100, 200));
  await bob.page.evaluate(() => globalThis.inkwire.goTo([3000, 2000], 0.5));
  await ada.page.waitForFunction(() => globalThis.inkwire.presence.otherViews.length === 1);
  const deadline = Date.now() + 20_000;
  while ((await mapPixels(ada, "#2b8a3e")) === 0) assert.ok(Date.now() < deadline, "Bob's frame is on the map");
  const box = await ada.page.locator("#minimap").boundingBox();
  await ada.page.mouse.click(box.x + box.width - 20, box.y + box.height - 20);
  const [x, y] = await ada.page.evaluate(() => globalThis.inkwire.viewport.toBoard([500, 350]));
  assert.ok(x > 2000 && y > 1000, `the middle of the screen is at ${x}, ${y}`);
});

test("a drag that began elsewhere passes over the small map, and one on the map keeps its scale", async () => {
  const ada = await the.browser.person(board("map-drags"));
  await ada.draws(wave(100, 200));
  const middle = () => ada.page.evaluate(() => globalThis.inkwire.viewport.toBoard([500, 350]));
  const [map, bar] = await Promise.all(["#minimap", "#toolbar"].map((id) => ada.page.locator(id).boundingBox()));
  const [across, down] = [map.x + map.width / 2, map.y + map.height / 2];
  const before = await middle();
  await ada.page.mouse.move(bar.x + 3, bar.y + 3);
  await ada.page.mouse.down();
  for (let at = 0; at < 10; at++) await ada.page.mouse.move(map.x + 5 + at * 15, down);
  await ada.page.mouse.up();
  assert.deepEqual(await middle(), before);
  await ada.page.mouse.move(across, down);
  await ada.page.mouse.down();
  for (let at = 0; at < 40; at++) await ada.page.mouse.move(map.x + map.width - 4 - (at % 2), down);
  await ada.page.mouse.up();
  const [x] = await middle();
  assert.ok(x > before[0] + 200 && x < before[0] + 2_000, `from ${before[0]} to ${x}`);
});

test("a name and a colour are chosen, seen by others, and kept", async () => {
  const ada = await the.browser.person(board("who"), { name: "Ada" });
  const bob = await the.browser.person(board("who"), { name: "Bob" });
  await ada.page.click("#people");
  await ada.page.fill("#person-name", "Countess");
  await ada.page.getByRole("group", { name: "Your colour" }).getByRole("button", { name: "Violet" }).click();
  await ada.presses("Escape");
  await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.session.people.values()).some(({ name, colour }) => name === "Countess" && colour === "#7048e8ff"));
  const kept = await ada.page.evaluate(() => JSON.parse(localStorage.getItem("inkwire.person")));
  assert.deepEqual(kept, { name: "Countess", colour: "#7048e8" });
});

test("the start page has the boards of this browser with pictures, and opens one by its name", async () => {
  const ada = await the.browser.person(board("first"));
  await ada.draws(wave(100, 200));
  await ada.pixels();
  await ada.page.goto(the.server.url);
  await ada.page.waitForSelector("#opened img");
  await ada.page.fill("#board-to-open", "no board/");
  await ada.presses("Enter");
  assert.notEqual((await ada.page.textContent("#bad-name")).trim(), "");
  await ada.page.fill("#board-to-open", "second");
  await ada.presses("Enter");
  await ada.isLive();
  await ada.page.goto(the.server.url);
  assert.deepEqual(await ada.page.locator("#opened strong").allTextContents(), ["second", "first"]);
  await ada.page.locator("#opened button").first().click();
  assert.deepEqual(await ada.page.locator("#opened strong").allTextContents(), ["first"]);
});

// What it looks like. `UPDATE_SCREENSHOTS=1` writes them anew: look at them before they are committed.

/** Mostly none at all; the icons of the tools alone are three times as many. */
const ALIKE = 0.0005;
const PLACES = {
  desk: { viewport: { width: 1280, height: 760 } },
  dark: { viewport: { width: 1280, height: 760 }, colorScheme: "dark" },
  arabic: { viewport: { width: 1280, height: 760 }, locale: "ar" },
  tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true },
  phone: { ...devices["Pixel 7"], deviceScaleFactor: 1 },
};

/** The share of pixels in which two pictures differ plainly. */
const difference = (page, urls) =>
  page.evaluate(async (urls) => {
    const pixels = await Promise.all(urls.map(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
      context.drawImage(image, 0, 0);
      return context.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
    }));
    if (pixels[0].length !== pixels[1].length) return 1;
    let differing = 0;
    for (let at = 0; at < pixels[0].length; at += 4) {
      if ([0, 1, 2].some((axis) => Math.abs(pixels[0][at + axis] - pixels[1][at + axis]) > 40)) differing += 1;
    }
    return (differing * 4) / pixels[0].length;
  }, urls);

for (const [name, options] of Object.entries(PLACES)) {
  test(`the page looks as it did: ${name}`, async () => {
    const ada = await the.browser.person(board(`look-${name}`), { name: "Ada", ...options });
    await ada.page.evaluate(() => {
      const { session } = globalThis.inkwire;
      const shape = { type: "shape", gestureBack: 0, colour: "#1971c2ff", fill: "#1971c240", width: 32, scale: 3 };
      session.submit({ ...shape, kind: "ellipse", x: 800, y: 1600, dx: 1200, dy: 800 });
      session.submit({ ...shape, kind: "arrow", colour: "#1c1c28ff", x: 800, y: 2800, dx: 1200, dy: 400 });
      session.submit({ type: "note", gestureBack: 0, colour: "#1c1c28ff", fill: "#ffec99ff", size: 160, scale: 3, x: 800, y: 3400, dx: 1300, dy: 900, text: "Inkwire" });
    });
    await ada.isLive();
    await ada.pixels();
    // The small map is drawn a little later otherwise.
    await ada.page.evaluate(() => globalThis.inkwire.minimap.draw());
    await ada.page.mouse.move(5, 400);
    const shot = await ada.page.screenshot({ animations: "disabled" });
    const file = `${SHOTS}${name}.png`;
    if (process.env.UPDATE_SCREENSHOTS) {
      mkdirSync(SHOTS, { recursive: true });
      writeFileSync(file, shot);
    }
    assert.ok(existsSync(file), `${file} is committed`);
    const urls = [shot, readFileSync(file)].map((bytes) => `data:image/png;base64,${bytes.toString("base64")}`);
    const share = await difference(ada.page, urls);
    if (share >= ALIKE) writeFileSync(`${file}.now.png`, shot);
    assert.ok(share < ALIKE, `${(share * 100).toFixed(2)} % of the pixels differ from ${file}; how it looks now is beside it`);
  });
}
