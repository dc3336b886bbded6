// The worker that serves the page without a network: one version of the page at a time, and so many pictures of boards at most.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Server, sharedHouse } from "./house.mjs";

/** Two files of the page that say which version of them runs; the second is imported by others. */
const MARKED = /static\/.*js\/(main|panels\/status)\.js$/;

/** A server of any version of the page: the server behind it, with another validator of its pages and other files. */
class Front {
  /** @param {() => URL} server which may not be there yet */
  static async before(server) {
    const front = new Front();
    front.server = server;
    front.sockets = new Set();
    front.listener = createServer((from, to) => front.#answer(from, to));
    front.listener.on("upgrade", (from, socket) => front.#connect(from, socket));
    front.listener.on("connection", (socket) => front.sockets.add(socket));
    await once(front.listener.listen(0, "127.0.0.1"), "listening");
    return front;
  }

  /** From now on it has a version of the page, named by a hexadecimal digit, and answers only some paths. */
  stands(version, isAnswered) {
    [this.version, this.isAnswered] = [version, isAnswered];
    if (!isAnswered("/ws/x")) for (const socket of this.sockets) socket.destroy();
  }

  url(board) {
    return `http://127.0.0.1:${this.listener.address().port}/b/${board}`;
  }

  #ask({ url: path, method, headers }) {
    const { "if-none-match": known, "accept-encoding": packed, ...others } = headers;
    return request(new URL(path, this.server()), { method, headers: others });
  }

  #answer(from, to) {
    if (!this.isAnswered(from.url)) return void from.socket.destroy();
    const asked = this.#ask(from).on("response", async (answer) => {
      const { "content-length": length, etag, ...headers } = answer.headers;
      const isPage = headers["content-type"]?.startsWith("text/html");
      to.writeHead(answer.statusCode, isPage ? { ...headers, etag: `"${"0".repeat(24)}-${this.version.repeat(24)}"` } : headers);
      for await (const bytes of answer) to.write(bytes);
      to.end(MARKED.test(from.url) ? `\n(globalThis.versions ??= []).push("${this.version}");\n` : "");
    });
    return asked.end();
  }

  #connect(from, socket) {
    if (!this.isAnswered(from.url)) return void socket.destroy();
    const lines = from.rawHeaders.map((it, at) => (at % 2 === 0 ? `${it}: ` : `${it}\r\n`)).join("");
    const { hostname, port } = this.server();
    const inner = connect(Number(port), hostname, () => inner.write(`GET ${from.url} HTTP/1.1\r\n${lines}\r\n`));
    for (const [one, other] of [[inner, socket], [socket, inner]]) one.pipe(other).on("error", () => {}).on("close", () => one.destroy());
    return inner;
  }

  stop() {
    this.listener.close();
    this.listener.closeAllConnections();
    for (const socket of this.sockets) socket.destroy();
  }
}

// Each module is a file of its own here: the more files there are, the more can be of two versions.
const the = sharedHouse("--scripts", "modules");
let bundling;
let front;
let bundled;

before(async () => {
  bundling = await Server.start();
  front = await Front.before(() => new URL(the.server.url));
  bundled = await Front.before(() => new URL(bundling.url));
});
beforeEach(() => [front, bundled].forEach((one) => one.stands("a", () => true)));
after(async () => {
  [front, bundled].forEach((one) => one.stop());
  await bundling.stop();
});

async function until(what, isSo) {
  const deadline = Date.now() + 60_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, `timed out: ${what}`);
    await sleep(50);
  }
}

const isKept = ({ page }) => page.waitForSelector('html[data-kept="offline"]', { timeout: 60_000 });
const versions = ({ page }) => page.evaluate(() => globalThis.versions ?? []);
const runs = ({ page }, files) => page.waitForFunction((files) => globalThis.inkwire?.toolbar.buttons.size > 0 && globalThis.versions?.length === files, files);
/** The pictures that are kept, by the end of their address. */
const pictures = ({ page }) => page.evaluate(async () => (await (await caches.open("inkwire pictures")).keys()).map(({ url }) => url));

/** @param {Front} front @param {number} files how many of the page's files say their version */
async function runsInOneVersion(front, files) {
  const all = (version) => Array.from({ length: files }, () => version);
  const ada = await the.browser.person(front.url("versions"), { keepsPage: true });
  ada.allowed = /./;
  await isKept(ada);
  front.stands("b", (path) => !/main\.js$|^\/ws/.test(path));
  await ada.page.reload();
  assert.deepEqual(await versions(ada), [], "the new page waits in vain for a file, and takes no old one");
  front.stands("b", () => false);
  await ada.page.reload();
  await runs(ada, files);
  assert.deepEqual(await versions(ada), all("a"), "without a server all files are of the version that is kept");
  front.stands("b", () => true);
  await ada.page.reload();
  await isKept(ada);
  assert.deepEqual(await versions(ada), all("b"));
  front.stands("b", (path) => !/^\/static/.test(path));
  await ada.page.reload();
  await ada.isLive();
  assert.deepEqual(await versions(ada), all("b"), "a page of the version that is kept needs no file of the server");
  const keeps = (file) => ada.page.evaluate(async (file) => {
    const [name] = (await caches.keys()).filter((name) => name.startsWith("inkwire page "));
    return (await (await caches.open(name)).keys()).some(({ url }) => url.endsWith(file));
  }, file);
  assert.equal(await keeps("js/files/timelapse.js"), true, "what is fetched on use is kept as well");
}

test("a page of one version never runs with files of another one", () => runsInOneVersion(front, 2));
test("a bundled page of one version never runs with the bundle of another one", () => runsInOneVersion(bundled, 1));

test("a page is not kept while the server changes", async () => {
  const ada = await the.browser.person(front.url("changes"), { keepsPage: true });
  ada.allowed = /./;
  let wasAsked = false;
  front.stands("c", (path) => {
    // By now the page has all files that it needs: this one is fetched to be kept.
    if (path.endsWith("/status.js")) front.version = "d";
    wasAsked ||= path === "/" && front.version === "d";
    return true;
  });
  await until("the worker asks for the version again", () => wasAsked);
  front.stands("d", () => false);
  await assert.rejects(ada.page.reload(), "some of its files were of another version");
});

/** A picture of this size that the server keeps. */
const hasPicture = ({ page }, size) => page.evaluate(async (size) => {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d").fillRect(0, 0, size, size);
  const { hash } = await globalThis.inkwire.pictures.add(await canvas.convertToBlob());
  return hash;
}, size);

/** Fetches a picture as a page does that paints it, until the server has it. */
const fetches = ({ page }, hash) => page.waitForFunction(async (hash) => (await fetch(`../images/${hash}`)).ok, hash);

test("pictures are kept up to a number and a size, and those that came first go first", async () => {
  const ada = await the.browser.person(`${the.server.url}b/bounded`, { keepsPage: true });
  ada.allowed = /404/;
  await isKept(ada);
  const fill = (count, bytes) => ada.page.evaluate(async ([count, bytes]) => {
    const cache = await caches.open("inkwire pictures");
    const headers = { "content-length": String(bytes) };
    for (let at = 0; at < count; at++) await cache.put(`/images/${bytes}-${at}?bounded`, new Response("x", { headers }));
  }, [count, bytes]);
  await fill(300, 1);
  await fetches(ada, await hasPicture(ada, 8));
  await until("the first are dropped", async () => (await pictures(ada)).length <= 256);
  const few = await pictures(ada);
  assert.equal(few.length, 256);
  assert.match(few[0], /1-45\?bounded$/);
  await fill(5, 30 * 1024 * 1024);
  await fetches(ada, await hasPicture(ada, 9));
  await until("the large are dropped", async () => (await pictures(ada)).length <= 3);
  assert.match((await pictures(ada))[0], /-3\?bounded$/);
});

test("whoever is banned keeps neither that board nor its pictures, but those of others", async () => {
  const host = await the.browser.person(`${the.server.url}new`, { keepsPage: true });
  const hash = await hasPicture(host, 10);
  const bob = await the.browser.person(`${the.server.url}b/elsewhere`, { keepsPage: true });
  bob.allowed = /404|409/;
  await isKept(bob);
  await fetches(bob, hash);
  await bob.page.goto(host.page.url());
  await bob.isLive();
  await fetches(bob, hash);
  const boards = async () => (await pictures(bob)).map((url) => url.split("?")[1]).sort();
  const board = new URL(host.page.url()).pathname.split("/").pop();
  await until("it is kept for both boards", async () => (await boards()).length === 2);
  const author = await bob.page.evaluate(() => globalThis.inkwire.session.author);
  await host.page.evaluate((author) => globalThis.inkwire.hosting.order({ do: "ban", author, address: false }), author);
  await bob.page.locator("#door").waitFor({ state: "visible" });
  await until("it is dropped", async () => !(await boards()).includes(board));
  assert.deepEqual(await boards(), ["elsewhere"]);
  const isRecalled = await bob.page.evaluate(async () => {
    dispatchEvent(new Event("pagehide"));
    return Boolean(await globalThis.inkwire.outbox.board(globalThis.inkwire.boardName));
  });
  assert.equal(isRecalled, false, "nor the board itself, also when the page is closed");
});
