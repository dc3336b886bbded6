// Cut off: without a network, behind something that stops WebSocket, in a browser that keeps nothing; and ten people at once.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";
import { agree, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/${name}`;

/** Takes the network away, also from what the page's worker fetches. */
async function goesOffline(person) {
  person.allowed = /./;
  await person.page.context().setOffline(true);
  await person.page.waitForFunction(() => globalThis.inkwire.connection.state !== "online", undefined, { timeout: 30_000 });
}

const isPutTogether = ({ page }) => page.waitForFunction(() => globalThis.inkwire?.toolbar.buttons.size > 0);

test("who is offline draws on, and everybody has it when the network is back", async () => {
  const [ada, bob] = [await the.browser.person(board("offline"), { keepsPage: true }), await the.browser.person(board("offline"))];
  await ada.draws(wave(100, 200));
  await agree(ada, bob);
  await goesOffline(ada);
  await ada.presses("r");
  await ada.draws([[100, 300], [300, 400]]);
  await ada.presses("v");
  await ada.page.mouse.click(100, 350);
  await ada.presses("Control+d");
  await bob.draws(wave(500, 200));
  assert.match(await ada.page.textContent("#status-text"), /Offline/);
  await ada.page.context().setOffline(false);
  await ada.isLive();
  const { elements } = await agree(ada, bob);
  assert.equal(elements.length, 4);
});

test("a page that was kept opens without a network as it was, and what is drawn on it is sent later", async () => {
  const ada = await the.browser.person(board("reload-offline"), { keepsPage: true });
  const bob = await the.browser.person(board("reload-offline"));
  await ada.draws(wave(100, 200));
  await bob.draws(wave(400, 200));
  await agree(ada, bob);
  await ada.page.waitForSelector('html[data-kept="offline"]', { timeout: 30_000 });
  await goesOffline(ada);
  const pixels = await ada.pixels();
  await ada.page.reload();
  await isPutTogether(ada);
  await ada.sees("what was there", ({ elements }) => elements.length === 2);
  assert.equal(await ada.pixels(), pixels);
  await ada.draws(wave(100, 300));
  await ada.page.reload();
  await isPutTogether(ada);
  await ada.sees("that, and what was drawn without a network", ({ elements }) => elements.length === 3);
  await bob.draws(wave(400, 400));
  await ada.page.context().setOffline(false);
  await ada.isLive();
  const { elements } = await agree(ada, bob);
  assert.equal(elements.length, 4);
});

test("a board opens without a network for somebody who left it, from the start page too", async () => {
  const ada = await the.browser.person(board("left-offline"), { keepsPage: true });
  await ada.draws(wave(100, 200));
  await ada.isLive();
  await ada.page.waitForSelector('html[data-kept="offline"]', { timeout: 30_000 });
  await ada.page.goto(the.server.url);
  ada.allowed = /./;
  await ada.page.context().setOffline(true);
  await ada.page.reload();
  await ada.page.click("text=left-offline");
  await isPutTogether(ada);
  await ada.sees("what was drawn", ({ elements }) => elements.length === 1);
});

/** A proxy that passes on everything but upgrades, as some firewalls do. */
async function withoutUpgrades(address) {
  const proxy = createServer(async (from, to) => {
    const answer = await fetch(`http://${address}${from.url}`);
    to.writeHead(answer.status, { "content-type": answer.headers.get("content-type") });
    to.end(Buffer.from(await answer.arrayBuffer()));
  });
  proxy.on("upgrade", (_, socket) => socket.destroy());
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return proxy;
}

test("where WebSocket is blocked the page says so, and keeps what is drawn", async () => {
  const proxy = await withoutUpgrades(the.server.address);
  const context = await the.browser.chromium.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${proxy.address().port}/b/blocked`);
  await page.waitForFunction(() => /WebSocket/.test(document.querySelector("#status-text").textContent), undefined, { timeout: 30_000 });
  await page.mouse.move(100, 200);
  await page.mouse.down();
  await page.mouse.move(300, 250, { steps: 8 });
  await page.mouse.up();
  const kept = () => page.evaluate(() => globalThis.inkwire.session.pending.length);
  const count = await kept();
  assert.ok(count > 2);
  await page.reload();
  await page.waitForFunction((count) => globalThis.inkwire?.session.pending.length >= count, count);
  await context.close();
  proxy.close();
  proxy.closeAllConnections();
});

/** A browser that forbids every kind of storage. */
function forbidStorage() {
  for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"]) {
    Object.defineProperty(globalThis, name, {
      get() {
        throw new DOMException("forbidden", "SecurityError");
      },
    });
  }
}

test("a browser that keeps nothing draws all the same, and says what that means where it matters", async () => {
  const ada = await the.browser.person(board("forbidden"), { before: forbidStorage });
  const bob = await the.browser.person(board("forbidden"));
  await ada.draws(wave(100, 200));
  await agree(ada, bob);
  assert.match(await ada.page.textContent("#toast"), /keeps nothing/);
  await ada.presses("2");
  await goesOffline(ada);
  await ada.draws(wave(100, 300));
  await ada.page.waitForFunction(() => /keep/.test(document.querySelector("#status-text").textContent));
  await ada.page.context().setOffline(false);
  await ada.isLive();
  await agree(ada, bob);
});

/** A browser whose disk is full: what is to be kept there is refused. */
function fillStorage() {
  Storage.prototype.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  IDBObjectStore.prototype.put = function () {
    this.transaction.abort();
    throw new DOMException("full", "QuotaExceededError");
  };
}

test("a browser whose storage is full loses nothing", async () => {
  const ada = await the.browser.person(board("full"), { before: fillStorage });
  const bob = await the.browser.person(board("full"));
  await ada.draws(wave(100, 200));
  await ada.page.click("#more-style");
  await ada.page.click(".fill-light");
  assert.match(await ada.page.textContent("#toast"), /keeps nothing/);
  await agree(ada, bob);
});

test("ten people draw at once, and have the same picture in the end", async () => {
  const people = [];
  for (let at = 0; at < 10; at++) people.push(await the.browser.person(board("ten"), { name: `Person ${at}`, viewport: { width: 640, height: 480 } }));
  await Promise.all(people.map(async (person, at) => {
    const y = 80 + at * 20;
    await person.draws([[40, y], [120, y + 12], [200, y]]);
    await person.presses(["r", "o", "l", "a", "m"][at % 5]);
    await person.draws([[300, y], [500, y + 15]]);
  }));
  const { elements } = await agree(...people);
  assert.equal(elements.length, 20);
  const pictures = new Set(await Promise.all(people.map((person) => person.pixels())));
  assert.equal(pictures.size, 1);
  assert.equal(await people[0].page.locator("#people .badge").count(), 6, "five, and how many more");
});

test("names with markup, overrides and no end are shown as text, cut to their length", async () => {
  const ada = await the.browser.person(board("names"), { name: `<b onclick=x>\u202eevil\u0000${"n".repeat(5000)}` });
  const bob = await the.browser.person(board("names"), { name: "Bob" });
  await bob.page.click("#people");
  const names = await bob.page.locator("#person-list li").allTextContents();
  assert.ok(names.some((name) => name.includes("<b onclick=x>evil")), names.join());
  assert.ok(names.every((name) => name.length < 60 && !name.includes("\u202e")), names.join());
  assert.equal(await bob.page.locator("#person-list b").count(), 0);
  await bob.presses("Escape");
  assert.ok((await ada.state()).pending === 0);
});
