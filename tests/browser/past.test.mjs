// The past of a board in the page: any moment of it, whose ink it is, files and a new board made of it.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Browser, Server, agree, violations, wave } from "./house.mjs";

const the = {};

before(async () => {
  the.data = await mkdtemp(join(tmpdir(), "inkwire-past-"));
  the.server = await Server.start("--data", the.data);
  the.browser = await Browser.start();
});

after(async () => {
  await the.browser.everybodyLeaves();
  await the.browser.stop();
  await the.server.stop();
  await rm(the.data, { recursive: true });
});

/** Two people who have drawn, with everything on the disk. */
async function drewTogether(board) {
  const ada = await the.browser.person(`${the.server.url}b/${board}`, { name: "Ada" });
  const bob = await the.browser.person(`${the.server.url}b/${board}`, { name: "Bob" });
  await ada.draws(wave(200, 150));
  await bob.draws(wave(200, 300));
  await ada.presses("Control+z");
  await ada.draws(wave(200, 450));
  const { hash, seq } = await agree(ada, bob);
  await ada.isSaved();
  await bob.isSaved();
  return { ada, bob, hash, seq };
}

/** Drops the connection when the first part of the past would be asked for. */
const cutsTheAsking = ({ page }) =>
  page.evaluate(() => {
    const { inkwire } = globalThis;
    const send = inkwire.outgoing.send.bind(inkwire.outgoing);
    inkwire.outgoing.send = (message) => {
      if (message.type !== "past") return send(message);
      inkwire.outgoing.send = send;
      return inkwire.connection.socket.close();
    };
  });

test("a past that was cut off on its way comes when the connection is there again", async () => {
  const { ada, hash } = await drewTogether("cut");
  await cutsTheAsking(ada);
  await ada.page.evaluate(() => globalThis.inkwire.replay.open());
  await ada.page.waitForFunction(() => globalThis.inkwire.replay.timeline !== undefined);
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.past.tip.hash.toString()), hash);
  await ada.page.evaluate(() => globalThis.inkwire.replay.close());
});

const replay = (person, act) => person.page.evaluate(act);

async function openPast(person, seq) {
  await person.presses("Shift+t");
  await person.page.waitForFunction((seq) => globalThis.inkwire.replay.board?.seq === seq, seq);
}

/** Puts the bar at a moment, as a hand on it does. */
const scrubTo = (person, seq) =>
  person.page.locator("#replay-seq").evaluate((bar, seq) => {
    bar.value = String(seq);
    bar.dispatchEvent(new Event("input"));
  }, seq);

test("a past that is asked for, left and asked for again is the past", async () => {
  const { ada, hash, seq } = await drewTogether("twice");
  await ada.page.evaluate(() => {
    const { replay } = globalThis.inkwire;
    replay.open();
    replay.close();
    replay.open();
  });
  await ada.page.waitForFunction((seq) => globalThis.inkwire.replay.board?.seq === seq, seq);
  await ada.page.waitForTimeout(300);
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.isOpen && globalThis.inkwire.replay.past.tip.hash.toString()), hash);
});

test("where the board was put back to an earlier state meanwhile, its past is fetched anew", async () => {
  const { ada, seq } = await drewTogether("anew");
  await openPast(ada, seq);
  await scrubTo(ada, 3);
  await replay(ada, () => {
    // As a welcome to another lineage leaves it.
    globalThis.inkwire.replay.epoch = "another";
    globalThis.inkwire.replay.joined();
  });
  await ada.page.waitForFunction((seq) => globalThis.inkwire.replay.board?.seq === seq, seq);
  await scrubTo(ada, 3);
  await replay(ada, () => globalThis.inkwire.replay.joined());
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.seq), 3, "a welcome to the same one changes nothing");
});

test("the past can be gone through to any moment, and comes to the hash of now", async () => {
  const { ada, bob, hash, seq } = await drewTogether("through");
  const now = await ada.pixels();
  await openPast(ada, seq);
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.past.tip.hash.toString()), hash);
  assert.equal(await ada.pixels(), now, "the last moment looks like now");
  assert.deepEqual(await violations(ada.page), []);
  await scrubTo(ada, 0);
  assert.equal(await replay(ada, () => [...globalThis.inkwire.replay.shown.visible()].length), 0);
  assert.notEqual(await ada.pixels(), now);
  // Meanwhile somebody draws on; the past stays, and now has it.
  await bob.draws(wave(500, 150));
  await bob.isSaved();
  assert.equal(await replay(ada, () => [...globalThis.inkwire.replay.shown.visible()].length), 0);
  await ada.draws(wave(300, 300));
  for (const keys of ["Control+a", "Delete", "Control+z"]) await ada.presses(keys);
  await ada.presses("Escape");
  await ada.page.locator("#replay").waitFor({ state: "hidden" });
  await ada.sees("what Bob drew, and nothing that was drawn on the past", ({ elements }) => elements.length === 3);
  await agree(ada, bob);
});

/** The pixels of the moment that is shown, with nothing in them of what was painted before. */
const paintedAnew = async (person) => {
  await replay(person, () => globalThis.inkwire.stage.elementsChanged(undefined));
  return person.pixels();
};

test("a moment looks the same from wherever one comes to it, and a coarse picture of it is seen first where it is much to paint", async () => {
  const { ada, bob, seq } = await drewTogether("anywhere");
  await ada.presses("Control+a");
  await ada.presses("ArrowDown");
  await bob.draws(wave(420, 320));
  await agree(ada, bob);
  await bob.isSaved();
  await ada.isSaved();
  const last = await replay(ada, () => globalThis.inkwire.session.log.seq);
  await openPast(ada, last);
  await replay(ada, () => {
    const { stage } = globalThis.inkwire;
    const { painted } = stage;
    globalThis.coarsely = 0;
    stage.painted = () => {
      painted();
      if (stage.isCoarse) globalThis.coarsely += 1;
    };
  });
  for (const moment of [seq - 2, 3, 7, seq, last - 1, last, 1, last]) {
    await scrubTo(ada, moment);
    assert.equal(await ada.pixels(), await paintedAnew(ada), `operation ${moment}`);
  }
  assert.equal(await replay(ada, () => globalThis.coarsely), 0, "three waves are little");
  const sharp = await ada.pixels();
  await replay(ada, () => {
    const { stage, replay } = globalThis.inkwire;
    stage.painter.weightOf = () => 1_000_000;
    stage.goesTo({ board: replay.shown }, undefined);
  });
  assert.equal(await ada.pixels(), sharp);
  assert.ok((await replay(ada, () => globalThis.coarsely)) > 0);
  // Somebody goes on while it is coarse: there is a picture all the time, with nothing else to stand in.
  const hadNone = await ada.page.evaluate(async (seq) => {
    const { stage, replay } = globalThis.inkwire;
    const bar = document.querySelector("#replay-seq");
    const { painted } = stage;
    const { canvas } = stage.base;
    const nothing = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height }).toDataURL();
    let [frames, hadNone] = [0, 0];
    stage.painted = () => {
      painted();
      frames += 1;
      if (canvas.toDataURL() === nothing) hadNone += 1;
      if (frames > 1) return;
      bar.value = String(seq);
      bar.dispatchEvent(new Event("input"));
    };
    stage.tiles.overview = undefined;
    stage.goesTo({ board: replay.shown }, undefined);
    await stage.settled();
    stage.painted = painted;
    return hadNone;
  }, last - 1);
  assert.equal(hadNone, 0);
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.seq), last - 1);
  assert.equal(await ada.pixels(), await paintedAnew(ada));
});

test("the bar of the past needs no pointer, and leaves the keyboard on the board behind it", async () => {
  const { ada, seq } = await drewTogether("keys");
  await openPast(ada, seq);
  const focused = () => ada.page.evaluate(() => document.activeElement.id);
  assert.equal(await focused(), "replay-seq");
  await ada.presses("ArrowLeft");
  assert.equal(await replay(ada, () => globalThis.inkwire.replay.seq), seq - 1);
  await ada.presses(" ");
  await ada.page.waitForFunction((seq) => globalThis.inkwire.replay.seq === seq, seq);
  await ada.presses("Escape");
  await ada.page.locator("#replay").waitFor({ state: "hidden" });
  assert.equal(await focused(), "live");
});

test("it plays, and shows the ink of one person alone", async () => {
  const { ada, seq } = await drewTogether("plays");
  await openPast(ada, seq);
  await ada.page.locator("#replay-speed").selectOption("64");
  await ada.page.locator("#replay-play").click();
  await ada.page.waitForFunction((seq) => globalThis.inkwire.replay.board.seq === seq && !globalThis.inkwire.replay.isPlaying, seq);
  await ada.page.locator("#replay-author").selectOption({ label: "Bob" });
  const authors = await replay(ada, () => [...globalThis.inkwire.replay.shown.visible()].map(({ author }) => author));
  assert.equal(authors.length, 1);
  assert.match(await ada.page.locator("#replay-label").innerText(), /\d{4}.*operation \d+ of \d+$/);
});

test("the picture of a moment and a time-lapse are files that say what was there", async () => {
  const { ada, seq } = await drewTogether("files");
  await openPast(ada, seq);
  const [timelapse] = await Promise.all([ada.page.waitForEvent("download"), ada.page.locator("#replay-timelapse").click()]);
  const svg = await readFile(await timelapse.path(), "utf8");
  assert.match(timelapse.suggestedFilename(), /files-timelapse\.svg/);
  assert.ok(svg.match(/<animate /g).length > 3);
  const shown = await the.browser.person(`data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`, { letIn: false });
  assert.equal(await shown.page.evaluate(() => document.documentElement.tagName), "svg", "it is well-formed");
  // At a moment of its round something else is seen than at its end.
  const seen = () => shown.page.evaluate(() => [...document.querySelectorAll("g")].filter((it) => getComputedStyle(it).visibility === "visible").length);
  await shown.page.evaluate(() => document.documentElement.setCurrentTime(21));
  assert.equal(await seen(), 2);
  await shown.page.evaluate(() => document.documentElement.setCurrentTime(0));
  assert.equal(await seen(), 0);
  await scrubTo(ada, 1);
  await ada.page.locator("#replay-export").click();
  await ada.page.locator("#export select[name=kind]").selectOption("svg");
  const [moment] = await Promise.all([ada.page.waitForEvent("download"), ada.page.locator("#export-save").click()]);
  assert.equal((await readFile(await moment.path(), "utf8")).match(/<path /g), null, "only a stroke that is being drawn was there");
});

test("a new board is made of a moment, with all its past", async () => {
  const { ada, seq } = await drewTogether("branches");
  await openPast(ada, seq);
  const moment = seq - 5;
  await scrubTo(ada, moment);
  const hash = await replay(ada, () => globalThis.inkwire.replay.board.hash.toString());
  const [page] = await Promise.all([ada.page.context().waitForEvent("page"), ada.page.locator("#replay-branch").click()]);
  await page.waitForSelector('#status[data-state="online"]');
  await page.waitForFunction((hash) => globalThis.inkwire.session.log.hash.toString() === hash, hash);
  await page.keyboard.press("Shift+t");
  await page.waitForFunction((moment) => globalThis.inkwire.replay.board?.seq === moment, moment);
  assert.equal(await page.evaluate(() => globalThis.inkwire.replay.past.tip.hash.toString()), hash);
  await page.waitForFunction(() => globalThis.inkwire.replay.chronicle.names.length === 2);
  // Whoever made it is its host, whose secret is not in its address.
  await page.waitForFunction(() => globalThis.inkwire.session.access.role === "host");
  assert.equal(new URL(page.url()).hash, "");
});

test("of a board that very many have drawn on, the names of all come, part by part", async () => {
  const { ada, seq } = await drewTogether("passers-by");
  await openPast(ada, seq);
  const asked = await replay(ada, () => {
    const { inkwire } = globalThis;
    const asked = [];
    const send = inkwire.outgoing.send;
    const names = (from, count) => Array.from({ length: count }, (_, at) => ({ author: from + at, name: `Guest ${from + at}` }));
    inkwire.outgoing.send = (message) => asked.push(message);
    inkwire.replay.answered({ type: "chronicle", moments: inkwire.replay.chronicle.moments, names: names(1, 500) });
    inkwire.replay.answered({ type: "authors", names: names(501, 500) });
    inkwire.replay.answered({ type: "authors", names: names(1_001, 20) });
    inkwire.outgoing.send = send;
    return asked;
  });
  assert.deepEqual(asked, [{ type: "authors", from: 501 }, { type: "authors", from: 1_001 }]);
  const names = await replay(ada, () => Array.from(document.querySelectorAll("#replay-author option"), (it) => it.textContent));
  assert.equal(new Set(names).size, 1_021, "each once, and everybody");
});

test("what somebody has spoiled is brought back from the past, for everybody, and what came later stays", async () => {
  const { ada, bob, seq } = await drewTogether("spoiled");
  const before = await ada.pixels();
  for (const keys of ["Control+a", "ArrowDown", "ArrowRight", "Delete"]) await bob.presses(keys);
  await bob.sees("nothing", ({ elements }) => elements.length === 0);
  await agree(ada, bob);
  await ada.isSaved();
  await bob.isSaved();
  await openPast(ada, await replay(ada, () => globalThis.inkwire.session.log.seq));
  await scrubTo(ada, seq);
  await bob.presses("p");
  await bob.draws(wave(200, 550));
  await ada.page.locator("#replay-back").click();
  await ada.page.waitForFunction(() => /2 things are as they were/.test(document.querySelector("#toast").textContent));
  await ada.presses("Escape");
  await bob.sees("everything", ({ elements }) => elements.length === 3);
  await agree(ada, bob);
  await bob.presses("Control+z");
  await agree(ada, bob);
  assert.equal(await ada.pixels(), before, "without what Bob drew meanwhile");
  await ada.presses("Control+z");
  await bob.sees("nothing", ({ elements }) => elements.length === 0);
});

test("who may not draw brings nothing back", async () => {
  const { ada, seq } = await drewTogether("looks-on");
  await openPast(ada, seq);
  await ada.page.locator("#replay-back").waitFor();
  await replay(ada, () => {
    const { session } = globalThis.inkwire;
    session.access = { ...session.access, role: "viewer", draws: false };
    session.delegate.accessChanged();
  });
  await ada.page.locator("#replay-back").waitFor({ state: "hidden" });
});

test("a click on ink says who drew it and when", async () => {
  const { ada, bob } = await drewTogether("whose");
  await bob.page.context().close();
  await ada.page.waitForFunction(() => globalThis.inkwire.session.people.size === 1);
  await ada.presses("v");
  await ada.page.mouse.click(200, 300);
  await ada.page.waitForFunction(() => /Drawn by .?Bob.?, .*\d{4}/.test(document.querySelector("#origin").textContent));
});

test("a server without a disk says that it keeps no past", async () => {
  const server = await Server.start();
  const ada = await the.browser.person(`${server.url}b/x`, { name: "Ada" });
  await ada.draws(wave(200, 150));
  await ada.presses("Shift+t");
  await ada.page.waitForFunction(() => /keeps no history/.test(document.querySelector("#toast").textContent));
  assert.equal(await ada.page.locator("#replay").isVisible(), false);
  ada.allowed = /WebSocket/;
  await ada.page.context().close();
  await server.stop();
});

test("screen readers hear that something was moved, and not that it was drawn, while the past is looked at", async () => {
  const { ada, bob } = await drewTogether("heard");
  await ada.page.evaluate(() => {
    globalThis.heard = [];
    globalThis.inkwire.announcer.did = (words) => globalThis.heard.push(words);
  });
  const heard = async () => {
    await agree(ada, bob);
    return ada.page.evaluate(() => [...new Set(globalThis.heard.splice(0))]);
  };
  await ada.page.evaluate(() => globalThis.inkwire.replay.open());
  await ada.page.waitForFunction(() => globalThis.inkwire.replay.timeline !== undefined);
  await bob.presses("Control+a");
  await bob.presses("ArrowRight");
  assert.deepEqual(await heard(), ["somebodyChanged"]);
  await bob.presses("r");
  await bob.draws([[300, 500], [400, 550]]);
  assert.deepEqual(await heard(), ["somebodyDrew"], "a shape");
  await bob.presses("p");
  await bob.draws(wave(300, 200));
  assert.deepEqual(await heard(), ["somebodyDrew"], "a stroke");
  await ada.page.evaluate(() => globalThis.inkwire.replay.close());
});
