// What is drawn outlives the tab, the server, and the wrong backup.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { BINARY, Browser, Server, agree, wave } from "./house.mjs";

const REFUSED = /WebSocket connection to .* failed|the connection is opened again/;

let browser;
let data;
let servers = [];

before(async () => {
  browser = await Browser.start();
});

after(() => browser.stop());

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "inkwire-"));
});

afterEach(async () => {
  try {
    await browser.everybodyLeaves();
  } finally {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    rmSync(data, { recursive: true });
  }
});

async function start(...flags) {
  const server = await Server.start("--data", data, ...flags);
  servers.push(server);
  return server;
}

async function person(server, name) {
  const person = await browser.person(`${server.url}b/kept`, { name });
  person.allowed = REFUSED;
  return person;
}

const says = (person, words) =>
  person.page.waitForFunction((words) => document.querySelector("#status-text").textContent.startsWith(words), words);

test("the page says saved when all its own ink is on disk, and a new server has it", async () => {
  const server = await start();
  const ada = await person(server, "Ada");
  await ada.draws(wave(100, 200));
  await ada.isSaved();
  await says(ada, "Saved");
  const before = await ada.state();
  await server.stop("SIGKILL");
  await start("--listen", server.address);
  const bob = await person(server, "Bob");
  const { hash } = await bob.sees("her stroke", ({ elements }) => elements.length === 1);
  assert.equal(hash, before.hash);
  await ada.isSaved();
});

test("a page on a server without a disk does not say saved", async () => {
  const server = await Server.start();
  servers.push(server);
  const ada = await person(server, "Ada");
  await ada.draws(wave(100, 200));
  await ada.isLive();
  await says(ada, "Live");
});

test("a tab that is closed in the middle of a stroke, offline, sends its ink when it comes back", async () => {
  const server = await start();
  const ada = await person(server, "Ada");
  await ada.draws(wave(100, 200));
  await ada.isSaved();
  await server.stop("SIGKILL");
  await ada.page.waitForSelector('#status[data-state="waiting"]');
  await ada.draws(wave(100, 300), { lifts: false });
  // A tab is closed without a word, as when its process dies: its context stays, as a browser's profile does.
  const context = ada.page.context();
  await ada.page.close({ runBeforeUnload: false });
  await start("--listen", server.address);
  const page = await context.newPage();
  await page.goto(`${server.url}b/kept`);
  await page.waitForFunction(() => globalThis.inkwire?.session.board.elements.size + globalThis.inkwire?.session.log.elements.size >= 2);
  const bob = await person(server, "Bob");
  await bob.sees("both strokes", ({ elements }) => elements.length === 2 && elements.every(({ live }) => !live));
  await page.waitForSelector('#status[data-unsaved="0"]');
  const left = await page.evaluate(() => globalThis.inkwire.outbox.clients("kept"));
  assert.deepEqual(left, [], "nothing is kept on the device any more");
});

test("two tabs of one person that die leave nothing behind: one that comes back brings the ink of both", async () => {
  const server = await start();
  const ada = await person(server, "Ada");
  const context = ada.page.context();
  const second = await context.newPage();
  await second.goto(`${server.url}b/kept`);
  await second.waitForSelector('#status[data-state="online"]');
  await ada.draws(wave(100, 150));
  await server.stop("SIGKILL");
  for (const [page, y] of [[ada.page, 250], [second, 350]]) {
    await page.bringToFront();
    await page.waitForSelector('#status[data-state="waiting"], #status[data-state="connecting"]');
    await page.mouse.move(100, y);
    await page.mouse.down();
    await page.mouse.move(300, y, { steps: 10 });
    await page.mouse.up();
  }
  await ada.page.close({ runBeforeUnload: false });
  await second.close({ runBeforeUnload: false });
  await start("--listen", server.address);
  const back = await context.newPage();
  await back.goto(`${server.url}b/kept`);
  const bob = await person(server, "Bob");
  await bob.sees("three strokes", ({ elements }) => elements.length === 3 && elements.every(({ live }) => !live));
  await back.waitForFunction(() => globalThis.inkwire.outbox.clients("kept").then((clients) => clients.length === 0));
});

test("a minute offline loses nothing that was drawn in it", async () => {
  const server = await start();
  const ada = await person(server, "Ada");
  await ada.draws(wave(100, 150));
  await ada.isSaved();
  const offline = ada.page.context();
  await offline.setOffline(true);
  await ada.page.evaluate(() => globalThis.inkwire.connection.socket.close());
  const since = Date.now();
  let strokes = 0;
  while (Date.now() - since < 60_000) {
    await ada.draws(wave(100 + (strokes % 3) * 20, 180 + (strokes % 12) * 30));
    await says(ada, "Offline");
    strokes++;
    await ada.page.waitForTimeout(1_000);
  }
  await offline.setOffline(false);
  await ada.isSaved();
  const bob = await person(server, "Bob");
  await bob.sees("all strokes", ({ elements }) => elements.length === 1 + strokes);
  await agree(ada, bob);
});

test("who drew on a board that was put back to an older copy is offered to put the ink back", async () => {
  const server = await start();
  const [ada, bob] = [await person(server, "Ada"), await person(server, "Bob")];
  await ada.draws(wave(100, 150));
  await ada.isSaved();
  const copy = join(data, "copy.sqlite");
  execFileSync(BINARY, ["boards", "backup", copy, "--data", data]);
  await ada.draws(wave(100, 250));
  await bob.draws(wave(100, 350));
  await ada.isSaved();
  await bob.isSaved();
  await server.stop();
  execFileSync(BINARY, ["boards", "restore", copy, "--data", data]);
  await start("--listen", server.address);
  await ada.page.waitForSelector("#offer:not([hidden])");
  assert.match(await ada.page.textContent("#offer-text"), /one thing that you drew is not on it/);
  await bob.page.waitForSelector("#offer:not([hidden])");
  await ada.sees("the board of the copy", ({ elements }) => elements.length === 1);
  await ada.page.click("#offer-take");
  await bob.page.click("#offer-leave");
  await ada.isSaved();
  const { elements } = await agree(ada, bob);
  assert.equal(elements.length, 2);
  await ada.presses("Control+z");
  await bob.sees("it is gone again: it was one gesture", (state) => state.elements.length === 1);
});

test("a page whose board is not the server's any more is given it anew", async () => {
  const server = await start();
  const [ada, bob] = [await person(server, "Ada"), await person(server, "Bob")];
  await ada.draws(wave(100, 150));
  await ada.isSaved();
  await bob.sees("it", ({ elements }) => elements.length === 1);
  // A mistake in the page: a stroke has another colour than everybody else's.
  await bob.page.evaluate(() => {
    const [element] = globalThis.inkwire.session.log.elements.values();
    element.content.begin.colour = "#00ff00ff";
    globalThis.inkwire.session.log.hash.add([1, 1]);
  });
  for (let at = 0; at < 8; at++) await ada.draws(wave(100, 200 + at * 40, 40));
  await ada.isSaved();
  const { hash } = await ada.state();
  await bob.sees("the same board", (state) => state.hash === hash);
  const metrics = await (await fetch(`${server.url}metrics`)).text();
  assert.match(metrics, /inkwire_diverged_total 1\n/);
});
