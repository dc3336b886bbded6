// Fingers, pens and phones; and the page below another path.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { devices } from "playwright-core";
import { Server, agree, fingers, pen, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/${name}`;

test("a finger draws on a phone", async () => {
  const phone = await the.browser.person(board("touch"), devices["Pixel 7"]);
  const bob = await the.browser.person(board("touch"));
  const touch = await fingers(phone);
  await touch("touchStart", [80, 200]);
  for (const place of wave(80, 200, 12)) await touch("touchMove", place);
  await bob.sees("a live stroke", ({ elements }) => elements.some(({ live, points }) => live && points > 5));
  await touch("touchEnd");
  await bob.sees("a finished stroke", ({ elements }) => elements.length === 1 && !elements[0].live);
  await agree(phone, bob);
  const fits = await phone.page.evaluate(() => {
    const inside = ({ left, right, top, bottom }) => left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    // Tools and styles lie in strips that are pushed along: there the strip must be on the screen.
    const places = Array.from(document.querySelectorAll("button, #status"), (element) => element.closest("#tools, #style") ?? element);
    const all = places.map((element) => element.getBoundingClientRect());
    return document.documentElement.scrollWidth <= innerWidth && all.filter(({ width }) => width > 0).every(inside);
  });
  assert.ok(fits, "every control is on the screen");
});

test("a second finger takes the stroke back and moves the board", async () => {
  const phone = await the.browser.person(board("pinch"), devices["Pixel 7"]);
  const touch = await fingers(phone);
  await touch("touchStart", [100, 300]);
  await touch("touchMove", [110, 310]);
  await touch("touchStart", [110, 310], [250, 450]);
  await touch("touchMove", [90, 290], [290, 490]);
  await touch("touchMove", [60, 260], [330, 530]);
  await touch("touchEnd");
  const { elements } = await phone.sees("nothing drawn", ({ pending }) => pending === 0);
  assert.equal(elements.length, 0);
  const zoom = await phone.page.evaluate(() => globalThis.inkwire.viewport.zoom);
  assert.ok(zoom > 1.5, `zoomed to ${zoom}`);
});

test("a pen's pressure and every one of its coalesced samples arrive", async () => {
  const ada = await the.browser.person(board("pen"));
  const bob = await the.browser.person(board("pen"));
  const places = wave(100, 300, 41).map(([x, y], at) => [x, y, 0.1 + at / 50]);
  await ada.page.evaluate(pen, places);
  const { elements } = await bob.sees("the stroke", ({ elements: [one] }) => one && !one.live);
  assert.equal(elements[0].pressed, true);
  assert.equal(elements[0].points, places.length);
  const pressures = await bob.page.evaluate(() => Array.from(globalThis.inkwire.session.log.visible())[0].ink.pressure);
  assert.deepEqual(pressures.slice(0, 2), [26, 31]);
  assert.equal(await ada.pixels(), await bob.pixels());
});

test("the page lives below a path that the server knows", async () => {
  const below = await Server.start("--base-path", "/draw/");
  const ada = await the.browser.person(below.url);
  assert.match(ada.page.url(), /\/draw\/b\/[a-z0-9]+$/);
  const bob = await the.browser.person(ada.page.url());
  await ada.draws(wave(100, 200));
  await bob.sees("her stroke", ({ elements }) => elements.length === 1);
  await the.browser.everybodyLeaves();
  await below.stop();
});

/** A proxy that serves the server below `/draw/` and takes that away from the path. */
async function strippingProxy(address) {
  const target = new URL(`http://${address}`);
  const strip = (path) => path.replace(/^\/draw/, "");
  const proxy = createServer((from, to) => {
    const { hostname, port } = target;
    const on = request({ hostname, port, path: strip(from.url), method: from.method, headers: from.headers }, (reply) => {
      to.writeHead(reply.statusCode, reply.headers);
      reply.pipe(to);
    });
    from.pipe(on);
  });
  proxy.on("upgrade", (from, socket) => {
    const on = connect(target.port, target.hostname, () => {
      const headers = from.rawHeaders.reduce((all, it, at) => all + it + (at % 2 ? "\r\n" : ": "), "");
      on.write(`GET ${strip(from.url)} HTTP/1.1\r\n${headers}\r\n`);
      on.pipe(socket).pipe(on);
    });
    for (const end of [on, socket]) end.on("error", () => [on, socket].forEach((other) => other.destroy()));
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return proxy;
}

test("the page lives below a path that only the proxy knows", async () => {
  const proxy = await strippingProxy(the.server.address);
  const url = `http://127.0.0.1:${proxy.address().port}/draw/`;
  const ada = await the.browser.person(url);
  assert.match(ada.page.url(), /\/draw\/b\/[a-z0-9]+$/);
  const bob = await the.browser.person(ada.page.url());
  await ada.draws(wave(100, 200));
  await bob.sees("her stroke", ({ elements }) => elements.length === 1);
  await the.browser.everybodyLeaves();
  proxy.close();
  proxy.closeAllConnections();
});
