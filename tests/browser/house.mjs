// What the browser tests share: a server of their own, people in browser contexts of their own, and their pointers.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, afterEach, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const BINARY = process.env.INKWIRE_BIN ?? fileURLToPath(new URL("../../target/debug/inkwire", import.meta.url));

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** The flags of a server if a test gives no others: the page comes in the form in which a release build sends it. */
const DEFAULTS = { "--listen": "127.0.0.1:0", "--data": ":memory:", "--scripts": "bundled" };

/** A server process. */
export class Server {
  static async start(...flags) {
    const server = new Server();
    const others = Object.entries(DEFAULTS).filter(([flag]) => !flags.includes(flag));
    server.child = spawn(BINARY, [...others.flat(), ...flags], { stdio: ["ignore", "pipe", "ignore"] });
    server.exited = once(server.child, "exit");
    const [line] = await once(createInterface({ input: server.child.stdout }), "line");
    server.url = line.replace("inkwire: draw at ", "");
    server.address = new URL(server.url).host;
    return server;
  }

  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    await this.exited;
  }
}

/** The browser, with everybody who was opened in it. */
export class Browser {
  static async start(...flags) {
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: "/usr/bin/chromium", args: [...FLAGS, ...flags] });
    browser.people = [];
    return browser;
  }

  /**
   * Opens a page as a new person, in a context of its own. Only `keepsPage` has a worker that keeps the page for later: its browser
   * reports by itself what it cannot fetch for that, whenever a test takes the server or the network away. Somebody who is not
   * `letIn` meets the door.
   */
  async person(url, { name, colour = "#1971c2", before, keepsPage = false, letIn = true, ...options } = {}) {
    const context = await this.chromium.newContext({ viewport: { width: 1000, height: 700 }, ...options });
    if (name) await context.addInitScript(keepPerson, { name, colour });
    if (!keepsPage) await context.addInitScript(() => delete Navigator.prototype.serviceWorker);
    if (before) await context.addInitScript(before);
    const page = await context.newPage();
    const person = new Person(page);
    this.people.push(person);
    await page.goto(url);
    if (letIn) await person.isLive();
    return person;
  }

  /** Everybody goes; an error on any page fails the test. */
  async everybodyLeaves() {
    const people = this.people.splice(0);
    await Promise.all(people.map(({ page }) => page.context().close()));
    assert.deepEqual(people.flatMap(({ errors }) => errors), []);
  }

  async stop() {
    await this.chromium.close();
  }
}

function keepPerson(person) {
  localStorage.setItem("inkwire.person", JSON.stringify(person));
}

/** A server and a browser for all tests of a file; everybody leaves after each test. */
export function sharedHouse(...flags) {
  const the = {};
  before(async () => {
    the.server = await Server.start(...flags);
    the.browser = await Browser.start();
  });
  afterEach(() => the.browser.everybodyLeaves());
  after(async () => {
    await the.browser.stop();
    await the.server.stop();
  });
  return the;
}

/** Somebody with a page, and what went wrong on it. */
export class Person {
  constructor(page) {
    this.page = page;
    this.errors = [];
    /** What the console may say: a server that is stopped for the test. */
    this.allowed = undefined;
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      const text = message.text();
      if (["error", "warning"].includes(message.type()) && !this.allowed?.test(text)) this.errors.push(text);
    });
  }

  async isLive() {
    await this.page.waitForSelector('#status[data-state="online"][data-unsent="0"]:not([data-storage=""])');
  }

  /** Waits until the server has everything on its disk. */
  async isSaved() {
    await this.page.waitForSelector('#status[data-state="online"][data-unsaved="0"][data-storage="disk"]');
  }

  /** Draws with the mouse through places of the screen. */
  async draws(places, { lifts = true } = {}) {
    await this.page.mouse.move(...places[0]);
    await this.page.mouse.down();
    await this.moves(places.slice(1));
    if (lifts) await this.lifts();
  }

  async moves(places) {
    for (const place of places) await this.page.mouse.move(...place, { steps: 4 });
  }

  async lifts() {
    await this.page.mouse.up();
  }

  /** Begins a text or a note, by the key of its tool, and types. */
  async writes(key, place, words) {
    await this.presses(key);
    await this.page.mouse.click(...place);
    await this.page.keyboard.type(words);
  }

  async presses(key) {
    await this.page.keyboard.press(key);
  }

  /** What the page knows of the board. */
  state() {
    return this.page.evaluate(() => {
      const { log, board, pending } = globalThis.inkwire.session;
      const elements = Array.from(board.visible(), (element) => ({
        key: element.key,
        points: element.ink?.x.length,
        pressed: element.pressed,
        live: element.live !== undefined,
      }));
      return { hash: log.hash.toString(), seq: log.seq, pending: pending.length, elements };
    });
  }

  /** Waits until the page's state is as it should be. */
  async sees(what, isSo) {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const state = await this.state();
      if (isSo(state)) return state;
      assert.ok(Date.now() < deadline, `waited in vain: ${what}; ${JSON.stringify(state)}`);
      await this.page.waitForTimeout(10);
    }
  }

  /** The pixels of finished elements, as a data URL. */
  async pixels() {
    await this.page.evaluate(() => globalThis.inkwire.stage.settled());
    return this.page.evaluate(() => document.querySelector("#base").toDataURL());
  }
}

const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** What axe finds on a page, as one line for each place. */
export async function violations(page) {
  // The page's own policy lets no script in but its own; this one comes from outside of it.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html.slice(0, 120)} ${any.map(({ message }) => message).join("; ").slice(0, 160)}`));
}

/** Places along a wave. */
export const wave = (x, y, count = 20) =>
  Array.from({ length: count }, (_, at) => [x + at * 12, y + 40 * Math.sin(at / 3)]);

/** Waits until everybody is at the same place of the log with nothing on its way; then they must have the same board. */
export async function agree(...people) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const states = await Promise.all(people.map((person) => person.state()));
    const isSettled = states.every(({ seq, pending }) => seq === states[0].seq && pending === 0);
    if (isSettled) {
      assert.equal(new Set(states.map(({ hash }) => hash)).size, 1, "the state hashes differ");
      return states[0];
    }
    assert.ok(Date.now() < deadline, `waited in vain for one place in the log; ${JSON.stringify(states)}`);
    await people[0].page.waitForTimeout(10);
  }
}

/** Fingers on the screen: each call says where all of them are. */
export async function fingers(person) {
  const session = await person.page.context().newCDPSession(person.page);
  return (type, ...places) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: places.map(([x, y], id) => ({ x, y, id })) });
}

/** Sends a pen's events as the browser would, in the page: Playwright has no pen of its own. Places are x, y, pressure and buttons. */
export function pen(places) {
  const surface = document.querySelector("#live");
  surface.setPointerCapture = () => {};
  const event = (type, [x, y, pressure, buttons = 1], more = {}) =>
    new PointerEvent(type, { pointerId: 7, pointerType: "pen", clientX: x, clientY: y, pressure, buttons, bubbles: true, ...more });
  surface.dispatchEvent(event("pointerdown", places[0]));
  for (let at = 1; at < places.length; at += 4) {
    const chunk = places.slice(at, at + 4);
    const coalescedEvents = chunk.map((place) => event("pointermove", place));
    surface.dispatchEvent(event("pointermove", chunk.at(-1), { coalescedEvents }));
  }
  surface.dispatchEvent(event("pointerup", places.at(-1)));
}
