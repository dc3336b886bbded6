// Takes the README's screenshot: three people draw on the real page, one of them still at it.

import { fileURLToPath } from "node:url";
import { Browser, Server } from "./house.mjs";

const FILE = fileURLToPath(new URL("../recordings/screenshot.png", import.meta.url));

const around = (x, y, rx, ry, from, to, steps = 24) =>
  Array.from({ length: steps + 1 }, (_, at) => {
    const angle = from + ((to - from) * at) / steps;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
  });

const server = await Server.start();
const browser = await Browser.start();
try {
  const url = `${server.url}b/picnic`;
  const size = { viewport: { width: 1200, height: 720 } };
  const ada = await browser.person(url, { name: "Ada", colour: "#7048e8", ...size });
  const grace = await browser.person(url, { name: "Grace", colour: "#c2255c", ...size });
  const linus = await browser.person(url, { name: "Linus", colour: "#1971c2", ...size });

  // A sun, hills and a house.
  await ada.presses("3");
  await ada.presses("]");
  await ada.draws(around(930, 170, 60, 60, 0, 6.4, 40));
  for (let ray = 0; ray < 8; ray++) {
    const [x, y] = [Math.cos((ray * Math.PI) / 4), Math.sin((ray * Math.PI) / 4)];
    await ada.draws([[930 + 80 * x, 170 + 80 * y], [930 + 115 * x, 170 + 115 * y]]);
  }
  await grace.presses("4");
  await grace.presses("]");
  await grace.draws(around(330, 600, 310, 130, Math.PI, 2 * Math.PI, 40));
  await grace.draws(around(860, 600, 320, 95, Math.PI, 2 * Math.PI, 40));
  await linus.presses("2");
  await linus.draws([[250, 430], [250, 300], [340, 220], [430, 300], [430, 425]]);
  await linus.draws([[240, 305], [340, 215], [440, 305]]);
  await linus.presses("5");
  await linus.draws([[315, 430], [315, 360], [365, 360], [365, 425]]);
  await ada.presses("6");
  await ada.presses("[");
  await ada.draws(around(620, 330, 26, 14, Math.PI, 2 * Math.PI, 10).concat(around(672, 330, 26, 14, Math.PI, 2 * Math.PI, 10)));
  await ada.draws(around(720, 270, 20, 11, Math.PI, 2 * Math.PI, 10).concat(around(760, 270, 20, 11, Math.PI, 2 * Math.PI, 10)));
  await linus.presses("m");
  await linus.presses("3");
  await linus.draws([[230, 470], [460, 468], [235, 490], [455, 492]]);
  await grace.page.mouse.move(700, 560);
  await grace.presses("7");
  await grace.draws(around(560, 520, 70, 40, Math.PI, 3.6 * Math.PI, 30), { lifts: false });
  await linus.page.mouse.move(480, 330, { steps: 3 });
  await ada.page.mouse.move(1010, 420);
  await ada.page.waitForTimeout(400);
  await ada.page.screenshot({ path: FILE });
  await grace.lifts();
  await browser.everybodyLeaves();
} finally {
  await browser.stop();
  await server.stop();
}
console.log(`screenshot: ${FILE}`);
