// The connection is lost, the server is stopped and started: nothing that was drawn is lost.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, Server, agree, wave } from "./house.mjs";

const REFUSED = /WebSocket connection to .* failed|the connection is opened again/;

let browser;

before(async () => {
  browser = await Browser.start();
});

after(() => browser.stop());

let servers = [];

async function start(...flags) {
  const server = await Server.start(...flags);
  servers.push(server);
  return server;
}

afterEach(async () => {
  try {
    await browser.everybodyLeaves();
  } finally {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
  }
});

async function pair(server, board) {
  const people = [];
  for (const name of ["Ada", "Bob"]) {
    const person = await browser.person(`${server.url}b/${board}`, { name });
    person.allowed = REFUSED;
    people.push(person);
  }
  return people;
}

for (const signal of ["SIGTERM", "SIGKILL"]) {
  test(`a server that is stopped by ${signal} and started while a stroke is drawn loses none of it`, async () => {
    const server = await start();
    const [ada, bob] = await pair(server, "restart");
    await bob.draws(wave(100, 500));
    await ada.draws(wave(100, 200, 10), { lifts: false });
    await bob.sees("both strokes", ({ elements }) => elements.length === 2);
    await server.stop(signal);
    await ada.moves(wave(220, 220, 10));
    await ada.page.waitForSelector('#status[data-state="waiting"], #status[data-state="connecting"]');
    await ada.moves(wave(340, 240, 10));
    const before = await ada.state();
    assert.ok(before.pending > 0, "what is drawn now waits in the page");
    const again = await start("--listen", server.address);
    await ada.moves(wave(460, 260, 10));
    await ada.lifts();
    await ada.isLive();
    await bob.isLive();
    await bob.sees("both strokes, finished", ({ elements }) => elements.length === 2 && elements.every(({ live }) => !live));
    await ada.sees("both strokes", ({ elements }) => elements.length === 2);
    const { elements } = await agree(ada, bob);
    const longest = Math.max(...elements.map(({ points }) => points));
    assert.ok(longest >= 120, `all ${longest} points of the stroke are there`);
    const late = await browser.person(`${again.url}b/restart`);
    await agree(ada, bob, late);
    const pixels = await Promise.all([ada, bob, late].map((person) => person.pixels()));
    assert.equal(new Set(pixels).size, 1, "the pixels differ");
  });
}

test("a connection that is cut is resumed from the last number, and everything is there once", async () => {
  const server = await start();
  const [ada, bob] = await pair(server, "cut");
  await ada.draws(wave(100, 200));
  const { seq } = await agree(ada, bob);
  await ada.page.evaluate(() => globalThis.inkwire.connection.socket.close());
  await ada.draws(wave(100, 300));
  await bob.draws(wave(100, 400));
  await ada.isLive();
  await ada.sees("three strokes", ({ elements }) => elements.length === 3);
  await bob.sees("three strokes", ({ elements }) => elements.length === 3);
  const state = await agree(ada, bob);
  assert.ok(state.seq > seq);
});

test("a page that was opened before its server draws, and sends it later", async () => {
  const server = await start();
  const [ada, bob] = await pair(server, "early");
  await server.stop("SIGKILL");
  await ada.page.waitForSelector('#status[data-state="waiting"]');
  const text = await ada.page.textContent("#status-text");
  assert.match(text, /^Offline/);
  await ada.draws(wave(100, 200));
  const again = await start("--listen", server.address);
  await bob.sees("her stroke", ({ elements }) => elements.length === 1);
  await agree(ada, bob);
});

test("who draws faster than the server takes waits for it, and is neither cut off nor loses anything", async () => {
  const server = await start("--bytes-rate", "1");
  const ada = await browser.person(`${server.url}b/fast`);
  await ada.page.evaluate(() => {
    const { session } = globalThis.inkwire;
    const words = { type: "text", gestureBack: 0, colour: "#1c1c28ff", size: 90, scale: 3, text: "word ".repeat(400) };
    for (let line = 0; line < 35; line++) session.submit({ ...words, x: 0, y: line * 90 });
  });
  await ada.sees("it waits", ({ pending }) => pending > 0);
  await ada.page.waitForSelector('#status[data-unsent="0"]', { timeout: 60_000 });
  const [lost, slowed] = await ada.page.evaluate(() => [globalThis.inkwire.network.lost, globalThis.inkwire.outgoing.slowedUntil]);
  assert.deepEqual([lost, typeof slowed], [0, "number"]);
  assert.equal((await ada.state()).elements.length, 35);
});

test("a page that reads something it does not know is loaded again, and stays if the server has no newer one", async () => {
  const server = await start();
  const ada = await browser.person(`${server.url}b/outdated`);
  ada.allowed = REFUSED;
  /** The next packet has a value of a later version of the protocol. */
  const isOutdated = () => ada.page.evaluate(() => {
    globalThis.isTheSame = true;
    const { delegate } = globalThis.inkwire.connection;
    delegate.receivedMessages = () => {
      delete delegate.receivedMessages;
      throw Object.assign(new Error("unknownValue"), { rule: "unknownValue" });
    };
    globalThis.inkwire.connection.measure();
  });
  await Promise.all([ada.page.waitForEvent("load"), isOutdated()]);
  await ada.isLive();
  assert.equal(await ada.page.evaluate(() => globalThis.isTheSame), undefined);
  await isOutdated();
  await ada.page.waitForSelector('#status:not([data-state="online"])');
  await ada.isLive();
  assert.equal(await ada.page.evaluate(() => globalThis.isTheSame), true);
});

test("a tab that is reloaded goes on as who it was; a copy of it is somebody new", async () => {
  const server = await start();
  const [ada, bob] = await pair(server, "reload");
  await ada.draws(wave(100, 200));
  await ada.isLive();
  await ada.page.reload();
  await ada.isLive();
  await ada.sees("her stroke", ({ elements }) => elements.length === 1);
  await ada.draws(wave(100, 300));
  await ada.presses("Control+z");
  await ada.presses("Control+z");
  await bob.sees("both are undone", ({ elements, seq }) => seq > 40 && elements.length === 0);
  await bob.page.waitForFunction(() => document.querySelectorAll(".badge").length === 2);
});

test("a board that is opened again by the same client says so and does not fight", async () => {
  const server = await start();
  const ada = await browser.person(`${server.url}b/twice`);
  const identity = await ada.page.evaluate(() => globalThis.inkwire.session.identity);
  // In another browser, with a copy of the profile: tabs of one browser see to it that they are not the same.
  const page = await (await browser.chromium.newContext()).newPage();
  await page.addInitScript((client) => {
    sessionStorage.setItem("inkwire.client", JSON.stringify({ board: "twice", clientId: client.clientId, nextCseq: 1 }));
  }, identity);
  await page.goto(`${server.url}b/twice`);
  await page.waitForSelector('#status[data-state="online"]');
  await ada.page.waitForSelector('#status[data-state="stopped"]');
  await ada.page.click("#status-retry");
  await ada.page.waitForSelector('#status[data-state="online"]');
  await page.waitForSelector('#status[data-state="stopped"]');
  await page.context().close();
});
