// A board with everything on it, and how far what the page paints is from what the server writes.

import { pen, wave } from "./house.mjs";

/** A small picture of two colours, as the browser makes it. */
export const picture = (page, type = "image/png", size = [60, 40]) =>
  page.evaluate(async ([type, [width, height]]) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.fillStyle = "#e03231";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#1971c2";
    context.fillRect(0, 0, width / 2, height / 2);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type })).arrayBuffer());
    return Array.from(bytes);
  }, [type, size]);

/** Drops files onto the page. */
export const drop = (page, files, [x, y] = [700, 400]) =>
  page.evaluate(([files, [clientX, clientY]]) => {
    const dataTransfer = new DataTransfer();
    for (const { bytes, name, type } of files) dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
    dispatchEvent(new DragEvent("drop", { dataTransfer, clientX, clientY, bubbles: true, cancelable: true }));
  }, [files, [x, y]]);

/** Draws something with every kind of element and property. */
export async function everything(ada) {
  await ada.draws(wave(80, 120));
  await ada.page.evaluate(pen, wave(80, 200).map(([x, y], at) => [x, y, 0.2 + at / 40]));
  await ada.presses("m");
  await ada.draws(wave(80, 280));
  const shapes = [["l", "none", "solid"], ["a", "none", "dashed"], ["r", "light", "dotted"], ["o", "solid", "solid"]];
  for (const [at, [key, fill, dash]] of shapes.entries()) {
    await ada.page.evaluate(([fill, dash]) => globalThis.inkwire.toolbar.choose({ fill, dash, opacity: 0.8 }), [fill, dash]);
    await ada.presses(String(at + 2));
    await ada.presses(key);
    await ada.draws([[380, 100 + at * 90], [500, 160 + at * 90]]);
  }
  await ada.page.evaluate(() => globalThis.inkwire.toolbar.choose({ fill: "none", dash: "solid", opacity: 1 }));
  await ada.writes("t", [80, 400], "Words <b>& more\nön a secönd line");
  await ada.presses("Control+Enter");
  await ada.writes("t", [80, 500], "مرحبا (Inkwire)!\nshalom, שלום!");
  await ada.presses("Control+Enter");
  await ada.writes("n", [560, 100], "A note, with words that go on");
  await ada.presses("Control+Enter");
  await drop(ada.page, [{ bytes: await picture(ada.page), name: "two.png", type: "image/png" }], [700, 450]);
  await ada.sees("all of it", ({ elements }) => elements.length === 11);
  // Some of it turned and scaled.
  await ada.page.evaluate(() => {
    const { editing, exchange, selection } = globalThis.inkwire;
    const all = exchange.elements("board");
    selection.set(new Set([all[0], all[1], all[5], all[6], all[7], all[8], all[10]].map(({ key }) => key)));
    editing.map([1.1, 0.25, -0.2, 0.9, 60, -40]);
    selection.clear();
  });
  await ada.isSaved();
}

/** The share of pixels in which two pictures of the same size differ, in the page, given as data URLs. */
const difference = (page, one, other) =>
  page.evaluate(async (urls) => {
    const images = await Promise.all(urls.map(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      return image;
    }));
    const [width, height] = [images[0].naturalWidth, images[0].naturalHeight];
    const pixels = images.map((image) => {
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context.drawImage(image, 0, 0, width, height);
      return context.getImageData(0, 0, width, height).data;
    });
    let differing = 0;
    for (let at = 0; at < pixels[0].length; at += 4) {
      const far = Math.max(...[0, 1, 2].map((axis) => Math.abs(pixels[0][at + axis] - pixels[1][at + axis])));
      if (far > 24) differing += 1;
    }
    return { share: differing / (width * height), size: [width, height] };
  }, [one, other]);

/** What the page's canvas shows of an area, two pixels for a board unit, on paper. */
const painted = (page, area) =>
  page.evaluate(([x, y, width, height]) => {
    const { exchange, stage } = globalThis.inkwire;
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.ceil(width * 2), height: Math.ceil(height * 2) });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fbfaf7";
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const element of exchange.elements("board")) stage.painter.draw(context, element, { scale: 2, x: x * 2, y: y * 2 });
    return canvas.toDataURL();
  }, area);

/** The share of pixels in which the page's canvas and an SVG that the server wrote differ plainly, and the size of both. */
export async function differenceTo(page, svg) {
  const [x, y, width, height] = svg.match(/viewBox="([^"]+)"/)[1].split(" ").map(Number);
  const large = svg.replace(/width="[\d.]+" height="[\d.]+">/, `width="${2 * width}" height="${2 * height}">`);
  const url = `data:image/svg+xml;base64,${Buffer.from(large).toString("base64")}`;
  return difference(page, await painted(page, [x, y, width, height]), url);
}
