// A host, an editor and a viewer on one board: who may do what is seen in each page, and is the server's to decide.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { BINARY, Server, agree, sharedHouse, violations, wave } from "./house.mjs";

const the = sharedHouse("--ping-interval", "5");

/** A host on a new board, as somebody becomes one: by the way to a new board. */
async function hosts(name = "Ada") {
  const host = await the.browser.person(`${the.server.url}new`, { name });
  await host.isLive();
  return { host, board: host.page.url() };
}

/** The link of a role, made by a host. */
async function linkOf(host, role) {
  await host.page.evaluate((role) => {
    const { inkwire } = globalThis;
    const all = JSON.parse(localStorage.getItem("inkwire.links"));
    delete all[inkwire.boardName][role];
    localStorage.setItem("inkwire.links", JSON.stringify(all));
    inkwire.hosting.order({ do: "makeLink", role, seconds: 0 });
  }, role);
  const token = await host.page.waitForFunction(
    (role) => JSON.parse(localStorage.getItem("inkwire.links"))[globalThis.inkwire.boardName]?.[role], role,
  );
  return `${host.page.url()}#t=${await token.jsonValue()}`;
}

const order = (host, action) => host.page.evaluate((action) => globalThis.inkwire.hosting.order(action), action);
const authorOf = (person) => person.page.evaluate(() => globalThis.inkwire.session.author);
const access = (person) => person.page.evaluate(() => globalThis.inkwire.session.access);
const becomes = (person, what) =>
  person.page.waitForFunction((what) => Object.entries(what).every(([key, it]) => globalThis.inkwire.session.access[key] === it), what);
const seen = (person, id) => person.page.locator(id).waitFor({ state: "visible" });

test("who makes a board is its host, and the secret is nowhere to be seen", async () => {
  const { host, board } = await hosts();
  assert.deepEqual(await access(host), { role: "host", draws: true, locked: false, muted: false, hosted: true });
  assert.match(board, /\/b\/[a-z2-8]{20}$/, "the address has no secret");
  await host.page.reload();
  await host.isLive();
  await becomes(host, { role: "host" });
});

test("a host who opens the link of another role is the host again next time", async () => {
  const { host } = await hosts();
  await host.page.goto(await linkOf(host, "viewer"));
  await host.isLive();
  await becomes(host, { role: "viewer" });
  await host.page.reload();
  await host.isLive();
  await becomes(host, { role: "host" });
});

test("a host who makes a link for viewers reads above the sheet that it is copied, and what it is worth", async () => {
  const { host } = await hosts();
  await becomes(host, { role: "host" });
  await host.page.evaluate(() => {
    const [toast, sheet] = [document.querySelector("#toast"), /** @type {HTMLDialogElement} */ (document.querySelector("#hosting"))];
    globalThis.inkwire.hosting.open();
    // What comes to the top layer last is above all that is there.
    toast.addEventListener("beforetoggle", ({ newState }) => (globalThis.isAbove = sheet.open && newState === "open"));
  });
  await host.page.locator("#without-link-hint").waitFor({ state: "hidden" });
  await host.page.locator("#link-list li").last().locator("button").first().click();
  await host.page.waitForFunction(() => globalThis.isAbove && document.querySelector("#toast").matches(":popover-open.shown"));
  await seen(host, "#without-link-hint");
  await host.page.locator("#without-link").selectOption("");
  await host.page.locator("#without-link-hint").waitFor({ state: "hidden" });
});

test("half a link lets nobody in as somebody else, and the page says so", async () => {
  const { board } = await hosts();
  const bob = await the.browser.person(`${board}#t=1234`, { letIn: false });
  await seen(bob, "#door");
  assert.match(await bob.page.locator("#door-title").innerText(), /link/i);
  await bob.page.locator("#door-without").click();
  await bob.isLive();
  await becomes(bob, { role: "editor" });
});

test("somebody without a link is told that the board needs one, and not that theirs is wrong", async () => {
  const { host, board } = await hosts();
  await order(host, { do: "withoutLink" });
  const bob = await the.browser.person(board, { letIn: false });
  await seen(bob, "#door");
  const words = () => bob.page.evaluate(() => `${document.querySelector("#door-title").textContent} ${document.querySelector("#door-what").textContent}`);
  assert.match(await words(), /needs an invitation.*Ask a host/);
  assert.doesNotMatch(await words(), /revoked/);
  // One that was never made, and half of one.
  for (const link of ["a".repeat(32), "a".repeat(26)]) {
    await bob.page.evaluate((link) => (location.hash = `#t=${link}`), link);
    await bob.page.waitForFunction(() => /This link lets nobody in/.test(document.querySelector("#door-title").textContent));
    await bob.page.locator("#door-without").click();
    await bob.page.waitForFunction(() => /needs an invitation/.test(document.querySelector("#door-title").textContent));
  }
});

test("a host deletes what somebody drew who has gone", async () => {
  const { host, board } = await hosts();
  const bob = await the.browser.person(board, { name: "Bob" });
  await bob.isLive();
  await bob.draws(wave(300, 300));
  await host.sees("what Bob drew", ({ elements }) => elements.length === 1 && !elements[0].live);
  await bob.page.close();
  await host.page.waitForFunction(() => globalThis.inkwire.session.people.size === 1);
  await host.presses("v");
  await host.presses("Control+a");
  await host.page.locator("#origin button").click();
  await host.page.waitForFunction(() => [...globalThis.inkwire.session.board.visible()].length === 0);
});

test("a viewer sees what is drawn, cannot draw, and says what is the matter; with a lent pen it draws", async () => {
  const { host } = await hosts();
  await host.draws(wave(200, 200));
  const viewer = await the.browser.person(await linkOf(host, "viewer"), { name: "Vera" });
  await viewer.isLive();
  await becomes(viewer, { role: "viewer", draws: false });
  await agree(host, viewer);
  await seen(viewer, "#standing");
  await viewer.draws(wave(200, 400));
  const { elements, pending } = await viewer.state();
  assert.deepEqual([elements.length, pending], [1, 0]);
  assert.match(await viewer.page.locator("#toast").innerText(), /ask a host for the pen/);
  await viewer.presses("v");
  await viewer.presses("Control+a");
  for (const key of ["Delete", "Control+d", "Control+x", "Control+g", "Control+Shift+l"]) {
    await viewer.page.evaluate(() => (document.querySelector("#toast").textContent = ""));
    await viewer.presses(key);
    if (key !== "Control+g" && key !== "Control+Shift+l") assert.match(await viewer.page.textContent("#toast"), /ask a host for the pen/, key);
  }
  assert.equal((await viewer.state()).elements.length, 1);
  await viewer.presses("Escape");
  await viewer.page.locator("#share").click();
  await viewer.page.waitForFunction(() => /looks on/.test(document.querySelector("#toast").textContent));
  await viewer.presses("p");
  await viewer.presses("Shift+h");
  await host.page.waitForFunction(() => document.querySelector('#people [data-sign="✋"]') !== null);
  await host.page.locator("#people").click();
  await host.page.locator("#person-list summary").click();
  await host.page.getByRole("button", { name: "Lend the pen for 10 minutes: Vera" }).click();
  await host.page.locator("#person-done").click();
  await becomes(viewer, { draws: true });
  await viewer.draws(wave(200, 400));
  await host.sees("what the viewer drew with the pen", ({ elements }) => elements.length === 2);
});

test("a host, an editor and a viewer at once: each may what the role says, and changes reach all of them", async () => {
  const { host, board } = await hosts();
  const editor = await the.browser.person(await linkOf(host, "editor"), { name: "Bob" });
  const viewer = await the.browser.person(await linkOf(host, "viewer"), { name: "Vera" });
  await editor.draws(wave(200, 200));
  await viewer.draws(wave(200, 300));
  await host.draws(wave(200, 400));
  await host.sees("two strokes", ({ elements }) => elements.length === 2);
  await agree(host, editor, viewer);
  await order(host, { do: "lock", locked: true });
  await Promise.all([becomes(editor, { draws: false, locked: true }), becomes(viewer, { draws: false, locked: true })]);
  await becomes(host, { draws: true, locked: true });
  await host.draws(wave(200, 500));
  await editor.draws(wave(500, 300));
  await viewer.draws(wave(500, 400));
  const { elements } = await agree(host, editor, viewer);
  assert.equal(elements.length, 3, "only the host's");
  // An order from somebody who is no host changes nothing.
  await order(editor, { do: "lock", locked: false });
  await order(viewer, { do: "remove", author: await authorOf(host) });
  await order(host, { do: "lock", locked: false });
  await becomes(editor, { draws: true, locked: false });
  await becomes(viewer, { draws: false, locked: false });
  await host.isLive();
  assert.equal(new URL(board).hash, "");
});

test("a script draws as a member, and people in the page see it happen", async () => {
  const { host } = await hosts();
  const link = await linkOf(host, "editor");
  await host.page.evaluate(() => {
    globalThis.wasLive = globalThis.hadCursor = false;
    const look = () => {
      const { session } = globalThis.inkwire;
      globalThis.wasLive ||= Array.from(session.board.visible()).some(({ live }) => live !== undefined);
      globalThis.hadCursor ||= Array.from(session.people.values()).some(({ name, at }) => name === "Plotter" && at);
      requestAnimationFrame(look);
    };
    look();
  });
  const script = spawn(BINARY, ["draw", link, "--name", "Plotter", "--speed", "40"], { stdio: ["pipe", "ignore", "pipe"] });
  script.stdin.end('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 C300 0 300 300 600 300" stroke="#e03231" fill="none"/></svg>');
  const [code] = await once(script, "exit");
  assert.equal(code, 0);
  const { elements } = await host.sees("the stroke", ({ elements }) => elements.length === 1 && !elements[0].live);
  assert.ok(elements[0].points > 2);
  assert.deepEqual(await host.page.evaluate(() => [globalThis.wasLive, globalThis.hadCursor]), [true, true]);
});

test("a lock keeps an editor's ink for later instead of losing it", async () => {
  const { host, board } = await hosts();
  const editor = await the.browser.person(board, { name: "Bob" });
  await editor.isLive();
  // The lock falls while this page does not hear it: what is drawn meanwhile is pending when it comes back.
  await editor.page.context().setOffline(true);
  await editor.page.evaluate(() => globalThis.inkwire.connection.socket.close());
  await editor.draws(wave(200, 300));
  await order(host, { do: "lock", locked: true });
  await becomes(host, { locked: true });
  await editor.page.context().setOffline(false);
  await becomes(editor, { draws: false });
  const { elements, pending } = await editor.state();
  assert.equal(elements.length, 1, "it is seen by who drew it");
  assert.ok(pending > 0, "and kept");
  assert.match(await editor.page.locator("#standing").innerText(), /Only hosts draw now.*wait here/);
  await order(host, { do: "lock", locked: false });
  await host.sees("what was kept", ({ elements }) => elements.length === 1);
  await agree(host, editor);
});

test("a muted person's stroke that is under way ends, and what was refused is offered again", async () => {
  const { host, board } = await hosts();
  const mallory = await the.browser.person(board, { name: "Mallory" });
  await mallory.isLive();
  // This page does not hear that it is muted before it has sent its stroke.
  await mallory.page.evaluate(() => {
    const { session } = globalThis.inkwire;
    Object.defineProperty(session, "access", { get: () => ({ role: "editor", draws: true }), set() {}, configurable: true });
  });
  await order(host, { do: "mute", author: await authorOf(mallory), muted: true });
  await host.page.waitForFunction(() => [...globalThis.inkwire.session.people.values()].some(({ muted }) => muted));
  await mallory.draws(wave(200, 300));
  await seen(mallory, "#offer");
  await mallory.page.evaluate(() => {
    const value = { role: "editor", draws: false, locked: false, muted: true, hosted: true };
    Object.defineProperty(globalThis.inkwire.session, "access", { value, writable: true, configurable: true });
  });
  await order(host, { do: "mute", author: await authorOf(mallory), muted: false });
  await mallory.page.waitForFunction(() => globalThis.inkwire.session.access.draws);
  // It is offered as long as it was neither put back nor left.
  await mallory.page.reload();
  await mallory.isLive();
  await mallory.page.locator("#offer-take").click();
  await host.sees("what was offered again", ({ elements }) => elements.length === 1);
  await mallory.isLive();
  await mallory.page.reload();
  await mallory.isLive();
  await mallory.page.waitForTimeout(200);
  assert.ok(await mallory.page.locator("#offer").isHidden(), "once");
  await agree(host, mallory);
});

test("a host takes back all that one person drew, and takes that back", async () => {
  const { host, board } = await hosts();
  const mallory = await the.browser.person(board, { name: "Mallory" });
  await mallory.draws(wave(200, 300));
  await mallory.draws(wave(200, 400));
  await host.draws(wave(200, 200));
  await host.sees("three strokes", ({ elements }) => elements.length === 3);
  await host.page.locator("#people").click();
  await host.page.locator("#person-list summary").click();
  await host.page.getByRole("button", { name: "Delete all they drew: Mallory" }).click();
  await host.page.locator("#person-done").click();
  await mallory.sees("one stroke", ({ elements }) => elements.length === 1);
  await host.page.keyboard.press("Control+z");
  await mallory.sees("all of them", ({ elements }) => elements.length === 3);
});

test("somebody who is removed is told and can come back; somebody who is banned cannot, in another tab neither", async () => {
  const { host, board } = await hosts();
  const mallory = await the.browser.person(board, { name: "Mallory" });
  await mallory.isLive();
  await order(host, { do: "remove", author: await authorOf(mallory) });
  await mallory.page.getByRole("heading", { name: "Your visit was ended" }).waitFor();
  await mallory.page.locator("#door-again").click();
  await mallory.isLive();
  await order(host, { do: "ban", author: await authorOf(mallory), address: false });
  await mallory.page.getByRole("heading", { name: "A host does not let you in" }).waitFor();
  const tab = await mallory.page.context().newPage();
  await tab.goto(board);
  await tab.getByRole("heading", { name: "A host does not let you in" }).waitFor();
});

test("whoever spoils a board and goes is still in reach of a host: what they drew, and the way back", async () => {
  const { host, board } = await hosts();
  const mallory = await the.browser.person(board, { name: "Mallory" });
  await mallory.draws(wave(200, 300));
  await host.sees("her stroke", ({ elements }) => elements.length === 1);
  await mallory.page.goto(new URL("../healthz", board).href);
  await host.page.locator("#people").click();
  await host.page.getByText("Have left").waitFor();
  const orders = host.page.locator("#gone-list summary");
  await orders.click();
  assert.deepEqual(await host.page.locator("#gone-list button").allTextContents(), ["Mute", "Delete all they drew", "Ban", "Ban with address"]);
  await host.page.getByRole("button", { name: "Delete all they drew: Mallory" }).click();
  await host.sees("an empty board", ({ elements }) => elements.length === 0);
  await host.page.getByRole("button", { name: "Ban: Mallory" }).click();
  await orders.waitFor({ state: "detached" });
  await host.page.locator("#person-done").click();
  await mallory.page.goto(board);
  await mallory.page.getByRole("heading", { name: "A host does not let you in" }).waitFor();
});

test("a board with a password asks for it, and says when it was wrong", async () => {
  const { host, board } = await hosts();
  await host.page.locator("#share").click();
  await host.page.locator("#host-password").fill("Geheimwort");
  await host.page.locator("#password-form [type=submit]").click();
  await host.page.getByText("There is a password").waitFor();
  const bob = await the.browser.person(board, { name: "Bob", letIn: false });
  await bob.page.getByRole("heading", { name: "This board has a password" }).waitFor();
  await bob.page.locator("#door-password").fill("wrong");
  await bob.page.locator("#door-again").click();
  await bob.page.getByText("That was not the password").waitFor();
  await bob.page.locator("#door-password").fill("Geheimwort");
  await bob.page.keyboard.press("Enter");
  await bob.isLive();
  await becomes(bob, { role: "editor" });
});

test("a revoked link shows a door that says what to do, and what was drawn there is kept", async () => {
  const { host, board } = await hosts();
  const bob = await the.browser.person(await linkOf(host, "editor"), { name: "Bob" });
  await bob.draws(wave(200, 300));
  await host.sees("Bob's stroke", ({ elements }) => elements.length === 1);
  await order(host, { do: "withoutLink" });
  await order(host, { do: "revokeLink", role: "editor" });
  await bob.page.getByRole("heading", { name: "This link lets nobody in" }).waitFor();
  const { elements } = await bob.state();
  assert.equal(elements.length, 1);
  const stranger = await the.browser.person(board, { name: "Stranger", letIn: false });
  await stranger.page.getByRole("heading", { name: "This board needs an invitation" }).waitFor();
  // A new link opens the door in the same tab.
  const link = await linkOf(host, "editor");
  await bob.page.evaluate((link) => (location.hash = new URL(link).hash), link);
  await bob.isLive();
  await becomes(bob, { role: "editor" });
  await agree(host, bob);
});

test("a link that has expired shows a door, also to who is inside", async () => {
  const { host } = await hosts();
  await order(host, { do: "withoutLink" });
  await order(host, { do: "makeLink", role: "editor", seconds: 2 });
  const token = await host.page.waitForFunction(
    () => JSON.parse(localStorage.getItem("inkwire.links"))[globalThis.inkwire.boardName]?.editor,
  );
  const link = `${host.page.url()}#t=${await token.jsonValue()}`;
  const bob = await the.browser.person(link, { name: "Bob" });
  await bob.page.getByRole("heading", { name: "This link has expired" }).waitFor();
  assert.match(await bob.page.locator("#door-what").innerText(), /Ask a host for a new one/);
  const late = await the.browser.person(link, { name: "Late", letIn: false });
  await late.page.getByRole("heading", { name: "This link has expired" }).waitFor();
});

test("whoever guesses links must wait, and the page counts the seconds", async () => {
  const { board } = await hosts();
  const guesser = await the.browser.person(`${board}#t=${"0".repeat(32)}`, { letIn: false });
  await seen(guesser, "#door");
  const waits = guesser.page.getByRole("heading", { name: /Too many tries: wait/ });
  while (!(await waits.isVisible())) {
    await guesser.page.evaluate(() => globalThis.inkwire.entry.knock(""));
    await guesser.page.waitForFunction(() => document.querySelector("#door").open && globalThis.inkwire.connection.state === "stopped");
  }
  assert.ok(await guesser.page.locator("#door-again").isDisabled());
});

test("a board without room says so, and lets in whoever comes when there is some", async () => {
  const small = await Server.start("--max-members", "1");
  const ada = await the.browser.person(`${small.url}b/small`, { name: "Ada" });
  const bob = await the.browser.person(`${small.url}b/small`, { name: "Bob", letIn: false });
  await bob.page.getByRole("heading", { name: "There is no room" }).waitFor();
  await ada.page.close();
  await bob.page.waitForFunction(() => !document.querySelector("#door-again").disabled);
  await bob.page.locator("#door-again").click();
  await bob.isLive();
  await the.browser.everybodyLeaves();
  await small.stop();
});

test("a host reads whose hand is up until it is lowered, and others do not", async () => {
  const { host, board } = await hosts();
  const pupil = await the.browser.person(board, { name: "Zainab" });
  const other = await the.browser.person(board, { name: "Amir" });
  const hands = (person) => person.page.locator("#hands");
  await pupil.presses("Shift+H");
  await hands(host).filter({ hasText: "Zainab" }).waitFor();
  await other.presses("Shift+H");
  await hands(host).filter({ hasText: "Zainab, Amir" }).waitFor();
  assert.deepEqual(await violations(host.page), []);
  assert.ok(await hands(pupil).isHidden(), "one's own, and others' for a pupil");
  await hands(host).click();
  await host.page.locator("#person-list summary").first().click();
  await host.page.locator("#person-list details[open] button").filter({ hasText: "Take the hand down" }).click();
  await hands(host).filter({ hasNotText: "Zainab" }).waitFor();
  await host.page.keyboard.press("Escape");
  await other.page.close();
  await hands(host).waitFor({ state: "hidden" });
});

test("where there is no host, everybody reads whose hand is up", async () => {
  const [ada, bob] = [await the.browser.person(`${the.server.url}b/hands`, { name: "Ada" }), await the.browser.person(`${the.server.url}b/hands`)];
  await ada.presses("Shift+H");
  await bob.page.locator("#hands").filter({ hasText: "Ada" }).waitFor();
  await ada.presses("Shift+H");
  await bob.page.locator("#hands").waitFor({ state: "hidden" });
});

test("reactions are seen where their person points, and the network panel shows numbers that can be copied", async () => {
  const { host, board } = await hosts();
  const bob = await the.browser.person(board, { name: "Bob" });
  await bob.isLive();
  await bob.page.locator("#people").click();
  await bob.page.getByRole("button", { name: "Heart" }).click();
  await host.page.locator(".reaction").waitFor();
  assert.match(await host.page.locator(".reaction").innerText(), /❤️\s*Bob/);
  await bob.page.locator("#person-done").click();
  await bob.draws(wave(200, 300));
  await bob.presses("Shift+n");
  await bob.page.waitForFunction(() => / ms$/.test(globalThis.inkwire.network.numbers.roundTrip));
  await bob.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await bob.page.locator("#network-copy").click();
  const report = await bob.page.waitForFunction(async () => {
    const text = await navigator.clipboard.readText();
    return text.startsWith("{") && text;
  });
  const numbers = JSON.parse(await report.jsonValue());
  assert.match(numbers.roundTrip, /^\d+\.\d ms$/);
  assert.equal(numbers.unacknowledged, "0");
  assert.ok(!JSON.stringify(numbers).includes(await bob.page.evaluate(() => globalThis.inkwire.session.credentials.visitor)));
});

test("a host reads who ordered what, in sentences", async () => {
  const { host, board } = await hosts();
  const bob = await the.browser.person(board, { name: "Bob" });
  await bob.isLive();
  await order(host, { do: "mute", author: await authorOf(bob), muted: true });
  await order(host, { do: "lock", locked: true });
  await order(host, { do: "makeLink", role: "viewer", seconds: 2 * 86_400 });
  await becomes(host, { locked: true });
  await host.presses("Shift+l");
  await host.page.locator("#audit-show").click();
  await host.page.locator("#audit-list li").nth(2).waitFor();
  const lines = await host.page.locator("#audit-list li").allInnerTexts();
  const withoutMarks = lines.map((line) => line.replace(/[\u2068\u2069]/g, ""));
  assert.match(withoutMarks[0], /: Ada made a link \(Viewer, 2 days\)$/);
  assert.match(withoutMarks[1], /: Ada locked the board: only hosts draw$/);
  assert.match(withoutMarks[2], /: Ada muted Bob$/);
});
