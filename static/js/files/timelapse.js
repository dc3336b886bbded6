// A board's past as one animated SVG (SMIL, SVG 1.1 chapter 19): every look that an element had, shown for as long as it had it.
// Pure.

import { inOrder } from "../board/element.js";
import { OfAuthor } from "../board/past.js";
import { grown, union } from "../plane/geometry.js";
import { MARGIN, PAPER, areaOf, drawn, short } from "./svg.js";

/** How long it lasts, in seconds, in how many pictures a second; and how long its last picture stays before it begins anew. */
const LASTS = 20;
const RATE = 10;
const STAYS = 3;

/**
 * @param {import("../board/past.js").Past} past
 * @param {import("../board/timeline.js").Timeline} timeline
 * @param {{ author?: number, images?: Record<string, string> }} what
 */
export function timelapse(past, timeline, { author, images = {} } = {}) {
  const looks = looksOf(past, timeline, author, images);
  const box = looks.map(({ area }) => area).reduce(union, looks[0]?.area ?? [0, 0, 0, 0]);
  const [left, top, right, bottom] = grown(box, MARGIN);
  const [x, y, width, height] = [left, top, right - left, bottom - top].map(short);
  const paper = `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${PAPER}"/>\n`;
  const body = looks.sort((one, other) => inOrder(one.element, other.element)).map(timed).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${x} ${y} ${width} ${height}" width="${width}" height="${height}">\n${paper}${body}</svg>\n`;
}

/** Every look of every element with when it begins and ends, in seconds. */
function looksOf(past, timeline, author, images) {
  const frames = LASTS * RATE;
  const looks = [];
  const shown = new Map();
  const board = past.at(0);
  for (let frame = 0; frame <= frames; frame++) {
    past.forward(board, frame === frames ? past.seq : timeline.seqAt((timeline.length * frame) / frames));
    const seen = author === undefined ? board : new OfAuthor(board, author);
    for (const key of board.changed) change(seen.element(key), key, frame / RATE);
    board.changed.clear();
  }
  return looks;

  function change(element, key, now) {
    const before = shown.get(key);
    const markup = element?.visible ? drawn(element, images) : undefined;
    if (markup === before?.markup) return;
    if (before) before.end = now;
    shown.delete(key);
    if (markup === undefined) return;
    const look = { element: element.copy(), markup, area: areaOf(element), begin: now, end: undefined };
    looks.push(look);
    shown.set(key, look);
  }
}

/** A look with when it is seen in each round. What plays no animation shows the last picture. */
function timed({ markup, begin, end }) {
  const keys = [["hidden", 0], ["visible", begin], ["hidden", end]].filter(([, at]) => at !== undefined);
  if (begin === 0) keys.shift();
  const [values, times] = [keys.map(([value]) => value), keys.map(([, at]) => short(at / (LASTS + STAYS)))];
  const round = `dur="${LASTS + STAYS}s" repeatCount="indefinite"`;
  const animate = `<animate attributeName="visibility" calcMode="discrete" values="${values.join(";")}" keyTimes="${times.join(";")}" ${round}/>`;
  return `<g visibility="${end === undefined ? "visible" : "hidden"}">${animate}${markup}</g>\n`;
}
