// Faults that were found in trials of the page: input, state and loss. Each test holds the right value.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { devices } from "playwright-core";
import { Server, agree, fingers, sharedHouse, wave } from "./house.mjs";

const the = sharedHouse();

const board = (name) => `${the.server.url}b/trial-${name}`;

// A second contact

/** A finger draws with a tool through places, then a second contact comes, and both are lifted. */
async function interrupted(key, places, dash = "solid") {
  const phone = await the.browser.person(board(`contact-${key}-${dash}-${places.length}`), devices["Pixel 7"]);
  await phone.presses(key);
  await phone.page.evaluate((dash) => globalThis.inkwire.toolbar.choose({ dash }), dash);
  const touch = await fingers(phone);
  await touch("touchStart", places[0]);
  for (const place of places.slice(1)) await touch("touchMove", place);
  await touch("touchStart", places.at(-1), [330, 600]);
  await touch("touchEnd");
  return phone;
}

for (const [what, key, dash] of [["a stroke", "p"], ["a dashed stroke", "p", "dashed"], ["a highlight", "m"], ["a rectangle", "r"]]) {
  test(`a second contact keeps ${what} that is already long, which undo takes away`, async () => {
    const phone = await interrupted(key, wave(60, 300, 20), dash);
    await phone.sees("what was drawn", ({ elements, pending }) => elements.length === 1 && !elements[0].live && pending === 0);
    const bob = await the.browser.person(phone.page.url());
    await agree(phone, bob);
    await phone.presses("Control+z");
    await bob.sees("that undo takes it away", ({ elements }) => elements.length === 0);
  });
}

for (const [what, places] of [["short", wave(60, 300, 4)], ["of a finger that trembles", Array.from({ length: 20 }, (_, at) => [60 + (at % 2) * 4, 300])]]) {
  test(`a second contact takes back a stroke that is ${what}`, async () => {
    const phone = await interrupted("p", places);
    const { elements } = await phone.sees("nothing on its way", ({ pending }) => pending === 0);
    assert.equal(elements.length, 0);
  });
}

test("Escape takes back also a stroke that is long", async () => {
  const ada = await the.browser.person(board("escape"));
  await ada.draws(wave(200, 300), { lifts: false });
  await ada.presses("Escape");
  await ada.lifts();
  const { elements } = await ada.sees("nothing on its way", ({ pending }) => pending === 0);
  assert.equal(elements.length, 0);
});

// A pinch beside the board

/** Two fingers on a place move apart. */
async function pinched(touch, [x, y]) {
  await touch("touchStart", [x - 10, y], [x + 10, y]);
  for (let far = 15; far <= 100; far += 5) await touch("touchMove", [x - far, y], [x + far, y]);
  await touch("touchEnd");
}

const middle = (person, selector) =>
  person.page.evaluate((selector) => {
    const { left, top, width, height } = document.querySelector(selector).getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  }, selector);

test("a pinch on a bar, a sheet or an open text leaves the page as large as it is, and what scrolls is still pushed", async () => {
  const phone = await the.browser.person(board("pinch"), devices["Pixel 7"]);
  const touch = await fingers(phone);
  const stays = async (selector) => {
    await pinched(touch, await middle(phone, selector));
    assert.equal(await phone.page.evaluate(() => visualViewport.scale), 1, selector);
  };
  for (const selector of ["#tools", "#style", "#toolbar", "#bar", "#status", "#menu-button"]) await stays(selector);
  const [x, y] = await middle(phone, "#tools");
  await touch("touchStart", [x + 100, y]);
  for (let to = x + 90; to > x - 100; to -= 10) await touch("touchMove", [to, y]);
  await touch("touchEnd");
  await phone.page.waitForFunction(() => document.querySelector("#tools").scrollLeft > 50);
  await phone.draws(wave(60, 300, 4));
  await phone.presses("Control+a");
  await stays("#selection-bar");
  await phone.page.evaluate(() => (document.querySelector("#style-sheet").hidden = false));
  await stays("#style-sheet");
  await phone.presses("?");
  await stays("#help");
  await phone.page.evaluate(() => document.querySelector("#help").scrollTo(0, 0));
  await touch("touchStart", [200, 500]);
  for (let to = 490; to > 200; to -= 10) await touch("touchMove", [200, to]);
  await touch("touchEnd");
  await phone.page.waitForFunction(() => document.querySelector("#help").scrollTop > 50 || document.querySelector("#help-list").scrollTop > 50);
  await phone.presses("Escape");
  await phone.writes("n", [200, 300], "words");
  await stays("#writing");
});

// The field of a text

for (const [language, words] of [["English", "Welcome to the lesson"], ["Arabic", "مرحباً بكم في الدرس"], ["Hebrew", "ברוכים הבאים לשיעור"], ["Arabic and English", "درس Inkwire lesson"]]) {
  test(`the field of a text is as wide as its words while they are typed, and when they are changed: ${language}`, async () => {
    const ada = await the.browser.person(board(`field-${language.replaceAll(" ", "-")}`));
    const widths = async () => {
      const { field, bounds } = await ada.page.evaluate(() => {
        const { inkwire } = globalThis;
        const [element] = inkwire.session.board.visible();
        return { field: document.querySelector("#writing").getBoundingClientRect().width, bounds: element && inkwire.boundsOf(element) };
      });
      return { field, text: bounds && bounds[2] - bounds[0] };
    };
    await ada.presses("t");
    await ada.page.mouse.click(400, 200);
    for (const letter of `${words}\n${words} ${words}`) await ada.page.keyboard.insertText(letter);
    const { field } = await widths();
    await ada.presses("Escape");
    await ada.sees("the text", ({ elements }) => elements.length === 1);
    const { text } = await widths();
    assert.ok(field >= text && field < text + 40, `typed: the field is ${field} px wide, the text ${text} px`);
    await ada.page.mouse.dblclick(440, 215);
    await ada.page.locator("#writing").waitFor();
    const changed = await widths();
    assert.ok(changed.field >= text, `changed: the field is ${changed.field} px wide, the text ${text} px`);
  });
}

// Orders without a connection

/** A host on a board that is kept on a disk, whose server can be taken away and comes back at the same address. */
async function hostOfItsOwn() {
  const data = ["--data", join(mkdtempSync(join(tmpdir(), "inkwire-orders-")), "boards")];
  const server = await Server.start(...data);
  const host = await the.browser.person(`${server.url}new`, { name: "Ada" });
  host.allowed = /ERR_CONNECTION|WebSocket|the connection is opened again/;
  await host.draws(wave(200, 200));
  await host.isSaved();
  return { host, server, comesBack: () => Server.start("--listen", server.address, ...data) };
}

const whatIsSaid = (host) => host.page.waitForFunction(() => /Offline/.test(document.querySelector("#toast.shown")?.textContent ?? ""));

test("orders without a connection are refused visibly, and the sheet shows the state of the board", async () => {
  const { host, server, comesBack } = await hostOfItsOwn();
  await host.page.click("#share");
  await host.page.locator("#link-list button").first().waitFor();
  await server.stop("SIGKILL");
  await host.page.locator("#hosting-offline").waitFor();
  assert.ok(await host.page.evaluate(() => Array.from(document.querySelectorAll("#link-list button:not(.copies), #password-form button, #audit-show")).every((it) => it.matches(":disabled"))));
  await host.page.click("#lock-choice");
  await whatIsSaid(host);
  assert.equal(await host.page.isChecked("#lock-choice"), false);
  await host.page.selectOption("#without-link", "viewer");
  assert.equal(await host.page.inputValue("#without-link"), "editor");
  const again = await comesBack();
  await host.isLive();
  await host.page.locator("#hosting-offline").waitFor({ state: "hidden" });
  assert.equal(await host.page.isChecked("#lock-choice"), false);
  await host.page.click("#lock-choice");
  await host.page.waitForFunction(() => globalThis.inkwire.session.access.locked);
  assert.equal(await host.page.isChecked("#lock-choice"), true);
  assert.equal(await host.page.locator("#audit-show").isEnabled(), true);
  await the.browser.everybodyLeaves();
  await again.stop();
});

test("an order that was sent and not answered is told when the connection is lost", async () => {
  const { host, server } = await hostOfItsOwn();
  await host.page.click("#share");
  await host.page.locator("#link-list button").first().waitFor();
  await host.page.waitForFunction(() => globalThis.inkwire.hosting.rules);
  server.child.kill("SIGSTOP");
  await host.page.click("#lock-choice");
  await server.stop("SIGKILL");
  await whatIsSaid(host);
  await host.page.locator("#hosting-offline").waitFor();
  assert.equal(await host.page.isChecked("#lock-choice"), false);
});

test("a hand, a reaction and a ban without a connection are not passed over in silence", async () => {
  const { host, server } = await hostOfItsOwn();
  const bob = await the.browser.person(host.page.url(), { name: "Bob" });
  await bob.page.close();
  await host.page.waitForFunction(() => globalThis.inkwire.people.gone.size === 1);
  await server.stop("SIGKILL");
  await host.page.locator('#status[data-state="waiting"], #status[data-state="connecting"]').waitFor();
  const forget = () => host.page.evaluate(() => document.querySelector("#toast").classList.remove("shown"));
  await host.page.click("#people");
  for (const what of ["#raise-hand", "#reactions button"]) {
    await host.page.locator(what).first().click();
    await whatIsSaid(host);
    await forget();
  }
  await host.page.locator("#gone-list summary").click();
  await host.page.getByRole("button", { name: "Ban: Bob" }).click();
  await whatIsSaid(host);
  assert.equal(await host.page.locator("#gone-list li").count(), 1, "who was not banned is still in reach");
});

// The toolbar

/** Buttons of the toolbar whose middle is not seen. */
const outOfSight = (person) =>
  person.page.evaluate(() => {
    const isSeen = (it) => {
      const { left, top, width, height } = it.getBoundingClientRect();
      return it.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    };
    return Array.from(document.querySelectorAll("#toolbar button")).filter((it) => it.checkVisibility() && !isSeen(it)).map((it) => it.title || it.id);
  });

for (const locale of ["en", "ar"]) {
  test(`no tool is cut off on a screen that is wider than a phone: ${locale}`, async () => {
    const ada = await the.browser.person(board(`wide-${locale}`), { locale });
    for (let width = 640; width <= 1440; width += width >= 1160 && width < 1300 ? 5 : 40) {
      await ada.page.setViewportSize({ width, height: 800 });
      assert.deepEqual(await outOfSight(ada), [], `${width} px`);
    }
  });

  test(`on a phone a strip of tools shows that there is more of it, and brings what is chosen into sight: ${locale}`, async () => {
    const phone = await the.browser.person(board(`narrow-${locale}`), { ...devices["iPhone 13"], defaultBrowserType: undefined, locale });
    /** How much the middle of the strip's ends differs from the bar, at its left and its right. */
    const shadows = async () => {
      const { x, y, width, height } = await phone.page.locator("#tools").boundingBox();
      const shot = await phone.page.screenshot({ clip: { x, y, width, height }, animations: "disabled" });
      return phone.page.evaluate(async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        const shade = (x) => 255 - context.getImageData(x, 4, 1, 1).data[0];
        return [shade(1) > 10, shade(image.naturalWidth - 2) > 10];
      }, `data:image/png;base64,${shot.toString("base64")}`);
    };
    const isRightToLeft = locale === "ar";
    assert.deepEqual(await shadows(), isRightToLeft ? [true, false] : [false, true], "at the beginning");
    for (const [key, name] of [["k", "laser"], ["v", "select"], ["o", "ellipse"]]) {
      await phone.presses(key);
      const isWithin = await phone.page.evaluate((name) => {
        const [strip, tool] = ["#tools", `#tools [data-tool="${name}"]`].map((it) => document.querySelector(it).getBoundingClientRect());
        return tool.left >= strip.left && tool.right <= strip.right;
      }, name);
      assert.ok(isWithin, name);
    }
    assert.deepEqual(await shadows(), [true, true], "in the middle");
    assert.equal(await phone.page.evaluate(() => document.scrollingElement.scrollTop + document.scrollingElement.scrollLeft), 0);
  });
}

// The first link that a host copies

const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

/** What lies in the clipboard, as soon as something does. */
async function copied(person) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const words = await person.page.evaluate(() => navigator.clipboard.readText());
    if (words) return words;
    assert.ok(Date.now() < deadline, "waited in vain: nothing was copied");
    await person.page.waitForTimeout(10);
  }
}

/** A host on a new board, whose sheet is open. */
async function hostWithSheet(options) {
  const host = await the.browser.person(`${the.server.url}new`, { name: "Ada", ...CLIPBOARD, ...options });
  await host.page.waitForFunction(() => globalThis.inkwire.session.access.role === "host");
  await host.page.click("#share");
  await host.page.waitForFunction(() => globalThis.inkwire.hosting.rules);
  return host;
}

/** Copies by the first button of the sheet, and says as what somebody with that link comes. */
async function roleByFirstButton(host) {
  await host.page.evaluate(() => navigator.clipboard.writeText(""));
  await host.page.locator("#hosting button").first().click();
  const pupil = await the.browser.person(await copied(host));
  return pupil.page.evaluate(() => globalThis.inkwire.session.access.role);
}

test("the first button of a host's sheet copies the link to draw: the address, then an editor's link", async () => {
  const host = await hostWithSheet();
  assert.equal(await host.page.locator("#hosting button").first().textContent(), "Copy");
  assert.equal(await roleByFirstButton(host), "editor");
  assert.equal(await copied(host), host.page.url());
  await host.page.selectOption("#without-link", "");
  await host.page.waitForFunction(() => globalThis.inkwire.hosting.rules.withoutLink === undefined);
  assert.equal(await host.page.locator("#hosting button").first().textContent(), "Make link");
  assert.equal(await roleByFirstButton(host), "editor");
  assert.match(await copied(host), /#t=[0-9a-f]{32}$/);
  await host.page.waitForFunction(() => document.querySelector("#hosting button").textContent === "Copy");
  assert.equal(await roleByFirstButton(host), "editor");
});

test("a host's link stands apart, and the sheet says what it is worth", async () => {
  const host = await hostWithSheet();
  assert.deepEqual(await host.page.locator("#link-list li > span").allTextContents(), ["Editor", "Viewer"]);
  assert.match(await host.page.locator("#host-link").locator("xpath=preceding-sibling::p[1]").innerText(), /ban people/);
  await host.page.locator("#host-link button").first().click();
  const second = await the.browser.person(await copied(host));
  assert.equal(await second.page.evaluate(() => globalThis.inkwire.session.access.role), "host");
});

test("a host who comes back while the server is away hands out no host's link by the button Share", async () => {
  const { host, server } = await hostOfItsOwn();
  await host.page.context().grantPermissions(CLIPBOARD.permissions);
  await host.page.evaluate(() => navigator.clipboard.writeText("nothing"));
  await server.stop("SIGKILL");
  await host.page.locator('#status[data-state="waiting"], #status[data-state="connecting"]').waitFor();
  // As after loading it from what the device keeps: nobody has said yet what this browser may do here.
  const share = (isKnownAsHosts) => host.page.evaluate((isKnownAsHosts) => {
    const { inkwire } = globalThis;
    inkwire.session.access = { role: "editor", draws: true, locked: false, muted: false, hosted: false };
    inkwire.entry.isKnown = false;
    if (!isKnownAsHosts) localStorage.removeItem("inkwire.links");
    document.querySelector("#share").click();
  }, isKnownAsHosts);
  await share(true);
  await host.page.locator("#hosting-offline").waitFor();
  await host.page.locator("#hosting .close").click();
  await share(false);
  await whatIsSaid(host);
  assert.equal(await copied(host), "nothing");
});

// Two people in one note

/** Two people who have the same note or text open in their fields, with the caret at its end. */
async function bothWrite(key, name) {
  const [ada, bob] = [await the.browser.person(board(name), { name: "Ada" }), await the.browser.person(board(name), { name: "Bob" })];
  await ada.writes(key, [300, 200], "base");
  await ada.presses("Escape");
  await bob.sees("the words", ({ elements }) => elements.length === 1);
  for (const person of [ada, bob]) {
    await person.presses("v");
    await person.page.mouse.dblclick(key === "n" ? 330 : 310, key === "n" ? 225 : 212);
    await person.page.locator("#writing").waitFor();
    await person.presses("End");
  }
  return [ada, bob];
}

const DISCONNECTED = /ERR_INTERNET_DISCONNECTED/;
const words = (person) => person.page.evaluate(() => Array.from(globalThis.inkwire.session.board.visible(), ({ properties }) => properties.text));
const isTold = (person) => person.page.waitForFunction(() => document.querySelector("#toast.shown")?.textContent.includes("the words of both are kept"));

for (const [key, what] of [["n", "note"], ["t", "text"]]) {
  test(`two people write in one ${what}: the words of both are kept, and the second one is told`, async () => {
    const [ada, bob] = await bothWrite(key, `both-${key}`);
    await ada.page.keyboard.type(" ADA");
    await bob.page.keyboard.type(" BOB");
    await ada.presses("Escape");
    await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.session.board.visible())[0].properties.text.includes("ADA"));
    await bob.presses("Escape");
    await isTold(bob);
    await agree(ada, bob);
    assert.deepEqual([await words(ada), await words(bob)], [["base ADA BOB"], ["base ADA BOB"]]);
  });

  test(`two people finish one ${what} without having heard of each other: the words of both are kept`, async () => {
    const [ada, bob] = await bothWrite(key, `unheard-${key}`);
    await ada.page.keyboard.type(" ADA");
    await bob.page.keyboard.type(" BOB");
    bob.allowed = DISCONNECTED;
    await bob.page.context().setOffline(true);
    await bob.page.evaluate(() => globalThis.inkwire.connection.socket.close());
    await bob.page.waitForFunction(() => !globalThis.inkwire.session.joined);
    await bob.presses("Escape");
    await ada.presses("Escape");
    await ada.sees("that all is sent", ({ pending }) => pending === 0);
    await bob.page.context().setOffline(false);
    await isTold(bob);
    await agree(ada, bob);
    assert.deepEqual([await words(ada), await words(bob)], [["base ADA BOB"], ["base ADA BOB"]]);
  });
}

test("a text that is changed twice without a connection loses neither these words nor those of somebody else", async () => {
  const [ada, bob] = await bothWrite("t", "twice");
  bob.allowed = DISCONNECTED;
  await bob.page.context().setOffline(true);
  await bob.page.evaluate(() => globalThis.inkwire.connection.socket.close());
  await bob.page.waitForFunction(() => !globalThis.inkwire.session.joined);
  await bob.page.keyboard.type(" BOB");
  await bob.presses("Escape");
  await bob.page.mouse.dblclick(310, 212);
  await bob.page.locator("#writing").waitFor();
  await bob.presses("End");
  await bob.page.keyboard.type(" AGAIN");
  await bob.presses("Escape");
  await ada.page.keyboard.type(" ADA");
  await ada.presses("Escape");
  await ada.sees("that all is sent", ({ pending }) => pending === 0);
  await bob.page.context().setOffline(false);
  await isTold(bob);
  await agree(ada, bob);
  assert.deepEqual(await words(ada), ["base ADA BOB AGAIN"]);
});

test("many turns of two people who finish at the same moment lose no word", async () => {
  const [ada, bob] = await bothWrite("t", "turns");
  const finish = (person, word) => person.page.evaluate((word) => {
    const { writing, session } = globalThis.inkwire;
    const [element] = session.board.visible();
    writing.rewrite(element);
    writing.field.value += ` ${word}`;
    writing.finish();
  }, word);
  await Promise.all([ada.presses("Escape"), bob.presses("Escape")]);
  const all = [];
  for (let turn = 0; turn < 20; turn++) {
    all.push(`ada${turn}.`, `bob${turn}.`);
    await Promise.all([finish(ada, `ada${turn}.`), finish(bob, `bob${turn}.`)]);
    await agree(ada, bob);
  }
  const [text] = await words(ada);
  assert.deepEqual(all.filter((word) => !text.includes(word)), [], text);
});

test("others read what somebody writes while it is typed, and nothing of it stays", async () => {
  const ada = await the.browser.person(board("typing"), { name: "Ada" });
  const bob = await the.browser.person(board("typing"), { name: "Bob" });
  const frames = () => bob.page.evaluate(() => {
    const { drafts, viewport } = globalThis.inkwire;
    return Array.from(drafts.shown.values(), ({ element: { content: { x, y, dx, dy, scale } } }) =>
      [[x, y], [x + dx, y + dy]].flatMap((place) => viewport.toScreen(place.map((side) => side / 2 ** scale))));
  });
  for (const [key, wide] of [["n", 150], ["t", 30]]) {
    await ada.writes(key, [300, 200], "words");
    await bob.page.waitForFunction(() => globalThis.inkwire.drafts.shown.size === 1);
    const [[left, top, right, bottom]] = await frames();
    assert.ok(right - left > wide && bottom - top > 15, `${key}: ${[left, top, right, bottom]}`);
    await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.drafts.written.values(), ({ element }) => element.properties.text).join() === "words");
    await ada.page.keyboard.type(" that grow");
    await bob.page.waitForFunction(() => Array.from(globalThis.inkwire.drafts.written.values(), ({ element }) => element.properties.text).join().endsWith("grow"));
    await ada.presses("Escape");
    await bob.page.waitForFunction(() => globalThis.inkwire.drafts.shown.size + globalThis.inkwire.drafts.written.size === 0);
    await bob.sees("the words", ({ elements }) => elements.length === 1);
    await ada.presses("Control+z");
    await bob.sees("an empty board", ({ elements }) => elements.length === 0);
  }
});

test("of a text that was turned others see a frame that hides nothing of it while it is changed", async () => {
  const ada = await the.browser.person(board("turned"), { name: "Ada" });
  await ada.writes("t", [300, 300], "words that are turned");
  await ada.presses("Escape");
  await ada.presses("Control+a");
  const [left, top, right] = await ada.page.evaluate(() => {
    const { viewport, selection, boundsOf } = globalThis.inkwire;
    const box = boundsOf.call(globalThis.inkwire, selection.elements[0]);
    return [...viewport.toScreen(box.slice(0, 2)), ...viewport.toScreen(box.slice(2))];
  });
  const handle = [(left + right) / 2, top - 26];
  await ada.draws([handle, [handle[0] + 120, handle[1] + 60]]);
  const [{ properties: { matrix } }] = await ada.page.evaluate(() => globalThis.inkwire.selection.elements.map(({ properties }) => ({ properties })));
  assert.ok(Math.abs(matrix[1]) > 0.2, `turned: ${matrix}`);
  // Bob comes now, so that no draft of the first writing is on its way to him.
  const bob = await the.browser.person(board("turned"), { name: "Bob" });
  await ada.page.evaluate(() => globalThis.inkwire.desk.rewrite(globalThis.inkwire.selection.elements[0]));
  await ada.page.keyboard.type(" more");
  await bob.page.waitForFunction(() => globalThis.inkwire.drafts.shown.size === 1);
  const [fill] = await bob.page.evaluate(() => Array.from(globalThis.inkwire.drafts.shown.values(), ({ element }) => element.properties.fill));
  assert.equal(fill, "#00000000");
  assert.equal(await bob.page.evaluate(() => globalThis.inkwire.drafts.written.size), 0);
  await ada.presses("Escape");
});
