// What `cargo xtask bench page` measures in the real browser: how soon somebody can draw who comes over a slow network, how long the
// first picture of a large board takes, how long frames take while it is moved, zoomed and drawn on, and how soon ink is seen. Frames
// are not held back to a screen's rate, so the time between two of them is what one costs. `node bench.mjs [strokes ...]`, or
// `node bench.mjs visits` for what comes first alone.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { decodeServer, encodeClient } from "../../static/js/protocol/codec.js";
import { SUBPROTOCOL } from "../../static/js/protocol/limits.js";
import { drawn } from "../unit/log.mjs";
import { differenceTo, everything } from "./everything.mjs";
import { BINARY, Browser, Server } from "./house.mjs";
import { behind } from "./link.mjs";

const POINTS = 50;
const AREA = [6000, 4000];
/** What a screen shows of a board without having to look at it from afar. */
const SCREEN = [1200, 700];
/** Operations of a long past. */
const LONG = 100_000;
const SECONDS = 4;
const VISITS = 5;
const FRAME = 1000 / 60;

/** Repeatable numbers below 1 (Knuth's MMIX constants are too wide for a double; these are Park and Miller's). */
let seed = 2026;
const dice = () => (seed = (seed * 48271) % 2147483647) / 2147483647;

/** A client without a page. */
class Drawer {
  static async join(url, board, number) {
    const drawer = new Drawer();
    drawer.socket = new WebSocket(`${url.replace("http", "ws")}ws/${board}`, SUBPROTOCOL);
    drawer.socket.binaryType = "arraybuffer";
    drawer.cseq = 0;
    await new Promise((done) => drawer.socket.once("open", done));
    const clientId = number.toString(16).padStart(32, "0");
    drawer.#send([{ type: "hello", clientId, epoch: "0".repeat(16), seq: 0, hash: "0".repeat(16), name: `drawer ${number}`, colour: "#1971c2ff" }]);
    const [welcome] = decodeServer(new Uint8Array(await new Promise((done) => drawer.socket.once("message", done))));
    drawer.author = welcome.author;
    return drawer;
  }

  #send(messages) {
    this.socket.send(encodeClient(messages));
  }

  does(operations) {
    for (let at = 0; at < operations.length; at += 256) {
      const some = operations.slice(at, at + 256);
      this.#send([{ type: "operations", firstCseq: this.cseq + 1, operations: some }]);
      this.cseq += some.length;
    }
  }

  /** Waits until the server has done everything. */
  async isDone() {
    const pong = new Promise((done) => {
      const hear = (data) => {
        if (!decodeServer(new Uint8Array(data)).some(({ type }) => type === "pong")) return;
        this.socket.off("message", hear);
        done();
      };
      this.socket.on("message", hear);
    });
    this.#send([{ type: "ping", nonce: 1 }]);
    await pong;
  }

  leaves() {
    this.socket.close();
  }
}

const begin = (x, y) => {
  const colours = ["#1c1c28ff", "#e03231ff", "#2b8a3eff", "#1971c2ff"];
  const look = { tool: "pen", colour: colours[Math.floor(dice() * 4)], width: 16 + Math.floor(dice() * 32), scale: 3 };
  return { type: "begin", slot: 0, gestureBack: 0, ...look, x: Math.round(x * 8), y: Math.round(y * 8), pressure: 128 };
};

const steps = (count, from = dice() * 7) =>
  Array.from({ length: count }, (_, at) => [Math.round(30 * Math.cos(from + at / 8)), Math.round(30 * Math.sin(from + at / 8))]);

/** A stroke somewhere in an area, in so many parts. */
function stroke([width, height] = AREA, parts = 1) {
  const [some, pressures] = [steps(POINTS), Array.from({ length: POINTS }, (_, at) => (at % 5) - 2)];
  const part = (at) => [(POINTS / parts) * at, (POINTS / parts) * (at + 1)];
  const points = Array.from({ length: parts }, (_, at) => ({ type: "points", slot: 0, steps: some.slice(...part(at)), pressures: pressures.slice(...part(at)) }));
  return [begin(dice() * width, dice() * height), ...points, { type: "end", slot: 0 }];
}

async function filled(url, board, strokes, area, parts) {
  const drawer = await Drawer.join(url, board, 1);
  for (let at = 0; at < strokes; at += 500) {
    drawer.does(Array.from({ length: Math.min(500, strokes - at) }, () => stroke(area, parts)).flat());
    await drawer.isDone();
  }
  drawer.leaves();
}

const rows = [];
/** What was measured, and what is to be reached, where that is known. */
function row(what, value, unit, target) {
  const said = { what, value: `${value.toFixed(target < 1 ? 3 : 1)} ${unit}`, target: "", share: "", verdict: "" };
  if (target === undefined) return rows.push(said);
  const verdict = value <= target ? "reached" : "NOT REACHED";
  return rows.push({ ...said, target: `of ${Number(target.toFixed(1))} ${unit}`, share: `${((value / target) * 100).toFixed(0)} %`, verdict });
}

/** Frame times in the page while `act` is called once a frame. */
function frames(page, act, seconds = SECONDS) {
  return page.evaluate(
    ([source, seconds]) =>
      new Promise((done) => {
        const act = eval(source);
        const times = [];
        const from = performance.now();
        let before = from;
        const next = (now) => {
          times.push(now - before);
          before = now;
          if (now - from > seconds * 1000) return done(times.slice(2));
          act(times.length);
          return requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
      }),
    [`(${act})`, seconds],
  );
}

const percentile = (times, share) => times.toSorted((one, other) => one - other)[Math.floor(times.length * share)];

const PAN = (at) => globalThis.inkwire.camera.pan(at % 240 < 120 ? -9 : 9, at % 480 < 240 ? -5 : 5);
const ZOOM = (at) => globalThis.inkwire.camera.zoom(at % 160 < 80 ? 1.02 : 1 / 1.02, [600, 350]);
/** A frame in which only the low-latency canvas changes waits for the screen, also where others do not: so a corner is touched. */
const TOUCH = (at) => document.querySelector("#base").getContext("2d").clearRect(at % 2, 0, 1, 1);

/** Notes in the page when all of the board is on the screen for the first time, in milliseconds since it was asked for. */
function noteFirstPicture() {
  // Asking in every frame would make frames, which nobody sees, at the cost of those that count.
  const begun = setInterval(() => {
    const { session, stage } = globalThis.inkwire ?? {};
    if (!stage) return;
    clearInterval(begun);
    const { painted } = stage;
    stage.painted = () => {
      painted();
      const isThere = session.isCaughtUp && stage.isComplete && !stage.everything;
      // Behind this frame, before the next one, in which what is not seen yet is painted ahead.
      if (isThere) setTimeout(() => (globalThis.firstPicture ??= performance.now()), 0);
    };
  }, 5);
}

/** Asked for when it should be there: what playwright puts into a page to ask takes twenty milliseconds, which are not the page's. */
async function firstPicture(page) {
  for (;;) {
    await sleep(2_000);
    const at = await page.evaluate(() => globalThis.firstPicture);
    if (at) return at;
  }
}

/**
 * The median of some first visits, each by somebody new, which differ by a quarter. In a browser that shows as many frames as its
 * screen does: one that makes as many as it can has less time left for the page.
 */
async function firstPictures(url) {
  const browser = await Browser.start();
  const times = [];
  try {
    for (let visit = 0; visit < VISITS; visit++) {
      const { page } = await browser.person(url, { before: noteFirstPicture, letIn: false });
      times.push(await firstPicture(page));
      await browser.everybodyLeaves();
    }
  } finally {
    await browser.stop();
  }
  return percentile(times, 0.5);
}

async function movedAbout(browser, url, board, strokes) {
  const name = `${strokes.toLocaleString("en")} strokes`;
  const pictured = await firstPictures(`${url}b/${board}`);
  row(`${name}: first picture, median of ${VISITS}`, pictured, "ms", strokes > 10_000 ? 5_000 : 1_000);
  const ada = await browser.person(`${url}b/${board}`, { name: "Ada" });
  await ada.page.evaluate(() => globalThis.inkwire.stage.settled());
  await ada.page.evaluate(() => globalThis.inkwire.camera.zoomTo(1));
  await ada.page.evaluate(() => globalThis.inkwire.stage.settled());
  const cdp = await ada.page.context().newCDPSession(ada.page);
  for (const rate of [1, 4]) {
    await cdp.send("Emulation.setCPUThrottlingRate", { rate });
    const slow = rate > 1 ? `, processor ${rate}x slower` : "";
    const target = (rate > 1 ? 33 : FRAME) * (strokes > 10_000 ? 3 : 1);
    row(`${name}: p95 frame while moved${slow}`, percentile(await frames(ada.page, PAN), 0.95), "ms", target);
    row(`${name}: p95 frame while zoomed${slow}`, percentile(await frames(ada.page, ZOOM), 0.95), "ms", target);
  }
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  await browser.everybodyLeaves();
}

/** Fifty people draw, each sixty times a second, while one looks. */
async function crowd(browser, url) {
  const board = "crowd";
  const drawers = [];
  for (let number = 1; number <= 50; number++) drawers.push(await Drawer.join(url, board, number));
  const ada = await browser.person(`${url}b/${board}`, { name: "Ada" });
  let at = 0;
  const timer = setInterval(() => {
    for (const [index, drawer] of drawers.entries()) {
      const phase = (at + index * 3) % 90;
      if (phase === 0) drawer.does([{ type: "end", slot: 0 }]);
      if (phase === 0 || at === 0) drawer.does([begin(60 + (index % 10) * 90, 80 + Math.floor(index / 10) * 110)]);
      drawer.does([{ type: "points", slot: 0, steps: steps(4, phase / 7), pressures: [1, -1, 1, -1] }]);
    }
    at += 1;
  }, FRAME);
  await ada.page.waitForTimeout(1000);
  row("50 people draw: p95 frame", percentile(await frames(ada.page, TOUCH), 0.95), "ms", FRAME);
  clearInterval(timer);
  drawers.forEach((drawer) => drawer.leaves());
  await browser.everybodyLeaves();
}

/** Frames between an event and the picture that shows it, here and on somebody else's screen. */
async function latency(browser, url) {
  const [ada, bob] = [await browser.person(`${url}b/latency`, { name: "Ada" }), await browser.person(`${url}b/latency`, { name: "Bob" })];
  const counting = () => {
    const { stage, session, connection } = globalThis.inkwire;
    globalThis.waits = { own: [], other: [] };
    let frame = 0;
    const tick = () => {
      frame += 1;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    let since;
    const note = (kind) => (since ??= { frame, kind });
    document.querySelector("#live").addEventListener("pointermove", () => session.isDrawing && note("own"), true);
    const { receivedMessages } = connection.delegate;
    connection.delegate.receivedMessages = function (messages) {
      if (messages.some(({ entries }) => entries?.some(({ author }) => author !== session.self))) note("other");
      receivedMessages.call(this, messages);
    };
    const { paint } = stage;
    stage.paint = function (now) {
      paint.call(this, now);
      if (since) globalThis.waits[since.kind].push(frame - since.frame);
      since = undefined;
    };
  };
  for (const { page } of [ada, bob]) await page.evaluate(counting);
  await ada.draws(Array.from({ length: 60 }, (_, at) => [100 + at * 10, 300 + 80 * Math.sin(at / 5)]));
  await bob.sees("her stroke", ({ elements }) => elements[0] && !elements[0].live);
  const waits = async ({ page }, kind) => percentile((await page.evaluate(() => globalThis.waits))[kind], 0.95);
  row("pen to own screen, p95", await waits(ada, "own"), "frames", 1);
  row("received to the other's screen, p95", await waits(bob, "other"), "frames", 2);
  await browser.everybodyLeaves();
}

/** What the server sends of the page, packed: with all that it names, its service worker, and the largest of the other languages. */
async function pageSize(url) {
  // `fetch` unpacks, and says how long it was before.
  const packed = async (path) => Number((await fetch(url + path)).headers.get("content-length"));
  const html = await (await fetch(`${url}b/size`)).text();
  const named = new Set(Array.from(html.matchAll(/(?:href|src)="\.\.\/(static\/[^"]+)"/g), ([, path]) => path));
  const sizes = await Promise.all(["b/size", "static/offline.js", ...named].map(packed));
  const words = readdirSync(fileURLToPath(new URL("../../static/js/words", import.meta.url))).filter((name) => name !== "en.js");
  const languages = await Promise.all(words.map((name) => packed(`static/bundled/js/words/${name}`)));
  row("the whole page with its largest language, compressed", (sizes.reduce((all, one) => all + one, 0) + Math.max(...languages)) / 1000, "KB", 150);
}

/** Draws a stroke in the page as soon as it can, and notes when it was painted and when the server had said who draws. */
function noteFirstStroke() {
  // A pointer that no device has cannot be captured.
  Element.prototype.setPointerCapture = () => {};
  const draw = () => {
    const mouse = (type, clientX, buttons = 1) => {
      const pointer = { pointerId: 1, pointerType: "mouse", isPrimary: true, button: type === "pointermove" ? -1 : 0, buttons };
      document.querySelector("#live").dispatchEvent(new PointerEvent(type, { ...pointer, clientX, clientY: 300, bubbles: true, cancelable: true }));
    };
    mouse("pointerdown", 300);
    for (const x of [320, 340]) mouse("pointermove", x);
    mouse("pointerup", 340, 0);
  };
  const times = {};
  const timer = setInterval(() => {
    const { session, stage } = globalThis.inkwire ?? {};
    if (!stage) return;
    if (!times.drawn) {
      const { painted } = stage;
      stage.painted = () => {
        painted();
        if (Array.from(session.board.visible()).length > 0) times.painted ??= performance.now();
      };
      draw();
      times.drawn = performance.now();
    }
    if (session.joined) times.welcome ??= performance.now();
    if (!times.painted || !times.welcome) return;
    clearInterval(timer);
    globalThis.ableToDraw = Math.max(times.painted, times.welcome);
  }, 1);
}

/** The median of some first visits to empty boards, in milliseconds from when the page was asked for. */
async function ableToDraw(browser, url) {
  const times = [];
  for (let visit = 0; visit < VISITS; visit++) {
    const { page } = await browser.person(`${url}b/new${visit}`, { before: noteFirstStroke, letIn: false });
    // Asked seldom: to ask takes time that is not the page's.
    await page.waitForFunction(() => globalThis.ableToDraw, undefined, { polling: 500 });
    times.push(await page.evaluate(() => globalThis.ableToDraw));
    await browser.everybodyLeaves();
  }
  return percentile(times, 0.5);
}

/** How soon somebody can draw who comes for the first time: a stroke of theirs is painted, and the server knows them. */
async function firstVisits() {
  const networks = [
    ["loopback"],
    ["100 ms round trip, 9 Mbit/s", { roundTrip: 100, rate: 9e6 }, 800],
    ["300 ms round trip, 1.6 Mbit/s", { roundTrip: 300, rate: 1.6e6 }, 2_000],
  ];
  for (const [name, network, target] of networks) {
    // A network of its own each time: boards are new on a server of their own.
    const [server, browser] = [await Server.start(), await Browser.start()];
    try {
      const visit = (url) => ableToDraw(browser, url);
      row(`${name}: able to draw, median of ${VISITS} first visits`, await (network ? behind(server.url, network, visit) : visit(server.url)), "ms", target);
    } finally {
      await browser.stop();
      await server.stop();
    }
  }
}

/** How long it takes to go to a moment of a long past. */
async function past(browser, url) {
  const { page } = await browser.person(`${url}b/past`);
  const { entries, hashes } = drawn(LONG);
  const moments = Array.from({ length: 24 }, (_, at) => Math.round(((at + 0.97) * LONG) / 24));
  const took = await page.evaluate(async ({ entries, hash, moments, hashes }) => {
    const { Past } = await import("../static/js/board/past.js");
    const past = new Past();
    past.add({ firstSeq: 1, lastSeq: entries.length, hash, entries });
    return moments.map((seq, at) => {
      const since = performance.now();
      const found = past.at(seq).hash.toString();
      if (found !== hashes[at]) throw new Error(`operation ${seq} comes to another hash`);
      return performance.now() - since;
    });
  }, { entries, hash: hashes[LONG], moments, hashes: moments.map((seq) => hashes[seq]) });
  row("100,000 operations: state and hash of a moment, the slowest of 24", Math.max(...took), "ms", 300);
  await browser.everybodyLeaves();
}

/** Lends a server that keeps its boards on a disk, for as long as `act` takes. */
async function onDisk(flags, act) {
  const data = mkdtempSync(join(tmpdir(), "inkwire-bench-"));
  const server = await Server.start(...flags, "--data", data);
  try {
    await act(server.url, data);
  } finally {
    await server.stop();
    rmSync(data, { recursive: true });
  }
}

/** How long it takes until a moment of a long past is seen, and until it is sharp, where all of its strokes are on the screen. */
async function pastSeen() {
  const browser = await Browser.start();
  try {
    await onDisk(unlimited, async (url) => {
      const parts = 3;
      await filled(url, "past", LONG / (parts + 2), SCREEN, parts);
      await momentsSeen(await browser.person(`${url}b/past`));
    });
  } finally {
    await browser.stop();
  }
}

async function momentsSeen({ page }) {
  await page.evaluate(() => globalThis.inkwire.replay.open());
  await page.waitForFunction((seq) => globalThis.inkwire.replay.board?.seq === seq, LONG);
  await page.evaluate(() => globalThis.inkwire.stage.settled());
  // Not one behind the other: each is far from the one before.
  const moments = Array.from({ length: 24 }, (_, at) => Math.round(((((at * 7) % 24) + 0.97) * LONG) / 24));
  const took = await page.evaluate(async (moments) => {
    const bar = document.querySelector("#replay-seq");
    const { stage } = globalThis.inkwire;
    const { painted } = stage;
    const isPainted = (isEnough) => new Promise((done) => {
      stage.painted = () => {
        painted();
        // Behind the frame, so with all that it takes to put it on the screen.
        if (isEnough()) setTimeout(done, 0);
      };
    });
    const times = [];
    for (const seq of moments) {
      const since = performance.now();
      bar.value = String(seq);
      bar.dispatchEvent(new Event("input"));
      await isPainted(() => stage.isCoarse || stage.isComplete);
      const seen = performance.now() - since;
      if (!stage.isComplete) await isPainted(() => stage.isComplete);
      times.push({ seen, sharp: performance.now() - since });
      stage.painted = painted;
      await stage.settled();
    }
    return times;
  }, moments);
  row("100,000 operations, 20,000 strokes on the screen: a moment is seen, the slowest of 24", Math.max(...took.map(({ seen }) => seen)), "ms", 300);
  row("the same: it is sharp", Math.max(...took.map(({ sharp }) => sharp)), "ms");
}

/** How far what the page paints of every kind of element is from the picture that the server writes. */
async function samePicture(browser) {
  await onDisk([], async (url, data) => {
    const ada = await browser.person(`${url}b/everything`);
    await everything(ada);
    const svg = execFileSync(BINARY, ["boards", "--data", data, "export", "everything", "--format", "svg"], { maxBuffer: 64 * 1024 * 1024 });
    const { share } = await differenceTo(ada.page, svg.toString());
    row("every kind of element: pixels that differ from the server's picture", share * 100, "%", 0.5);
    await browser.everybodyLeaves();
  });
}

// One client fills a board as fast as it can, which nobody does who draws.
const unlimited = ["--points-rate", "--bytes-rate", "--board-points-rate", "--board-bytes-rate"].flatMap((flag) => [flag, "4000000000"]);
const server = await Server.start(...unlimited);
const browser = await Browser.start("--disable-frame-rate-limit", "--disable-gpu-vsync");
const [what] = process.argv.slice(2);
const sizes = what === "visits" ? [] : process.argv.slice(2).map(Number);

async function boards() {
  await samePicture(browser);
  await latency(browser, server.url);
  await crowd(browser, server.url);
  await past(browser, server.url);
  await pastSeen();
  for (const strokes of sizes.length > 0 ? sizes : [10_000, 50_000]) {
    await filled(server.url, `board${strokes}`, strokes);
    await movedAbout(browser, server.url, `board${strokes}`, strokes);
  }
}

try {
  await pageSize(server.url);
  await firstVisits();
  if (what !== "visits") await boards();
} finally {
  await browser.stop();
  await server.stop();
}
const width = Math.max(...rows.map(({ what }) => what.length));
for (const { what, value, target, share, verdict } of rows) {
  console.log(`${what.padEnd(width)}  ${value.padStart(13)}  ${target.padStart(16)}  ${share.padStart(6)}  ${verdict}`.trimEnd());
}
