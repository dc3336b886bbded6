// A HAR of the inspector, given to what Chromium's developer tools import one with.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { Server } from "./house.mjs";

/** What the importer of the developer tools makes of a file; runs in their page. */
const imported = async (text) => {
  const { HARFormat, Importer } = await import("./models/har/har.js");
  const root = new HARFormat.HARRoot(JSON.parse(text));
  return Importer.Importer.requestsFromHARLog(root.log).map((request) => ({
    type: request.resourceType().name(),
    status: request.statusCode,
    frames: request.frames().map(({ type, text, opCode }) => ({ type, text, opCode })),
  }));
};

test("the developer tools of Chromium show the messages of a HAR", async () => {
  const folder = await mkdtemp(join(tmpdir(), "har-"));
  const server = await Server.start();
  try {
    const file = join(folder, "echo.har");
    const url = `ws://${server.address}/echo`;
    const recorded = spawn(process.env.WSINSPECT_BIN, [url, "-x", "hello", "-x", "ö", "-c", "2", "--har", file], { stdio: "ignore" });
    assert.deepEqual(await once(recorded, "exit"), [0, null]);
    const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
    try {
      const page = await browser.newPage();
      await page.goto("devtools://devtools/bundled/devtools_app.html");
      const requests = await page.evaluate(imported, await readFile(file, "utf8"));
      const frame = (type, text) => ({ type, text, opCode: 1 });
      const frames = [frame("send", "hello"), frame("send", "ö"), frame("receive", "hello"), frame("receive", "ö")];
      assert.deepEqual(requests, [{ type: "websocket", status: 101, frames }]);
    } finally {
      await browser.close();
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
});
