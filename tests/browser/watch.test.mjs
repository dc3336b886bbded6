// The page while `cargo xtask watch` runs: style sheets in place, reloads that lose no ink, the compiler's error on top.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BINARY, Browser, wave } from "./house.mjs";

const XTASK = join(dirname(BINARY), "xtask");
const STATIC = fileURLToPath(new URL("../../static/", import.meta.url));

/** A program that becomes the real server; another version is another program. */
const main = (version) => `use std::os::unix::process::CommandExt;
fn main() {
    let mut server = std::process::Command::new(std::env::var_os("INKWIRE_BIN").unwrap());
    panic!("{}", server.args(std::env::args_os().skip(1)).env("VERSION", "${version}").exec());
}
`;

/** A workspace of its own with `watch` on it; its style sheet is what browsers get. */
class Watched {
  static async start() {
    const watched = new Watched();
    watched.folder = await mkdtemp(join(tmpdir(), "watched-"));
    await watched.write("Cargo.toml", '[package]\nname = "fixture"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n');
    await watched.write("static/style.css", await readFile(join(STATIC, "style.css")));
    await watched.write("src/main.rs", main(0));
    const flags = ["watch", "--json", "--listen", "127.0.0.1:0", "--package", "fixture", "--dir", watched.folder];
    const env = { ...process.env, INKWIRE_BIN: BINARY };
    watched.child = spawn(XTASK, [...flags, "--", "--data", join(watched.folder, "boards"), "--data-wait", "30"], { env, stdio: ["ignore", "pipe", "ignore"] });
    watched.exited = once(watched.child, "exit");
    watched.events = createInterface({ input: watched.child.stdout })[Symbol.asyncIterator]();
    watched.url = (await watched.says("ready")).url;
    return watched;
  }

  async write(name, text) {
    const path = join(this.folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }

  async says(event) {
    for (;;) {
      const { value, done } = await this.events.next();
      assert.ok(!done, `the command has ended before it said ${event}`);
      const told = JSON.parse(value);
      if (told.event === event) return told;
    }
  }

  async stop() {
    this.child.kill("SIGTERM");
    await this.exited;
    await rm(this.folder, { recursive: true });
  }
}

test("the page follows what is saved, and no ink is lost by it", async () => {
  const watched = await Watched.start();
  const browser = await Browser.start();
  try {
    const context = await browser.chromium.newContext({ viewport: { width: 1000, height: 700 } });
    await context.route("**/static/style.css*", (route) =>
      route.fulfill({ path: join(watched.folder, "static/style.css"), contentType: "text/css" }));
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    let holds = false;
    const held = [];
    await page.routeWebSocket(/\/ws\//, (socket) => {
      const server = socket.connectToServer();
      socket.onMessage((message) => (holds ? held.push([server, message]) : server.send(message)));
    });
    await page.goto(`${watched.url}b/watched`);
    const isLive = () => page.waitForSelector('#status[data-state="online"][data-unsent="0"]:not([data-storage=""])');
    await isLive();
    await page.evaluate(() => (globalThis.isThisPage = true));
    const isThisPage = () => page.evaluate(() => globalThis.isThisPage === true);

    // A style sheet, in place.
    const saved = performance.now();
    await watched.write("static/style.css", `${await readFile(join(STATIC, "style.css"))}\n#brand { color: rgb(1, 2, 3) !important; }\n`);
    await page.waitForFunction(() => getComputedStyle(document.querySelector("#brand")).color === "rgb(1, 2, 3)", undefined, { polling: 5 });
    console.log(`from saving a style sheet to the page that shows it: ${Math.round(performance.now() - saved)} ms`);
    assert.ok(await isThisPage(), "without loading the page anew");

    // The compiler's error, which says nothing but text, and goes away by itself.
    await watched.write("src/main.rs", 'fn main() { "<img src=x onerror=alert(1)>" + nonsense }\n');
    const { places } = await watched.says("failed");
    assert.equal(places[0], "src/main.rs:1:46");
    const overlay = page.locator("inkwire-watch section");
    await overlay.waitFor();
    const shown = await overlay.innerText();
    assert.match(shown, /src\/main\.rs:1:46/);
    assert.match(shown, /cannot find value/);
    assert.equal(await overlay.locator("img").count(), 0);
    await page.screenshot({ path: join(tmpdir(), "watch-overlay.png") });
    await watched.write("src/main.rs", main(0));
    await watched.says("unchanged");
    await overlay.waitFor({ state: "detached" });
    assert.ok(await isThisPage(), "the program is the same, and so is the page");

    // Ink that the server does not have yet keeps the page.
    holds = true;
    await page.mouse.move(...wave(150, 200)[0]);
    await page.mouse.down();
    for (const place of wave(150, 200)) await page.mouse.move(...place);
    await page.mouse.up();
    await page.waitForSelector('#status:not([data-unsent="0"])');
    await watched.write("static/index.html", "changed");
    await watched.says("page");
    await page.waitForTimeout(500);
    assert.ok(await isThisPage(), "not before the ink is away");
    holds = false;
    for (const [server, message] of held.splice(0)) server.send(message);
    await page.waitForFunction(() => globalThis.isThisPage === undefined);
    await isLive();
    const elements = () => page.evaluate(() => Array.from(globalThis.inkwire.session.board.visible()).length);
    await page.waitForFunction(() => Array.from(globalThis.inkwire.session.board.visible()).length === 1);

    // Another program: the page is loaded anew once, and the ink is there.
    await page.evaluate(() => (globalThis.isThisPage = true));
    const edited = performance.now();
    await watched.write("src/main.rs", main(1));
    const { seconds } = await watched.says("built");
    await watched.says("ready");
    const ready = performance.now() - edited;
    console.log(`from saving a Rust file to a server that is ready: ${Math.round(ready)} ms, of which cargo took ${Math.round(seconds * 1000)}`);
    await page.waitForFunction(() => globalThis.isThisPage === undefined);
    await isLive();
    assert.equal(await elements(), 1);
    assert.deepEqual(errors, []);
  } finally {
    await browser.stop();
    await watched.stop();
  }
});
