// Copies of elements: what they look like without what was done to them since, to draw them again; and the file format that
// holds such copies. Pure.

import { decodeClient, encodeClient } from "../protocol/codec.js";
import { POINTS } from "../protocol/limits.js";
import { Element, inOrder } from "./element.js";
import { freeSlot, patch } from "./gesture.js";
import { LATER, PROPERTIES, propertyOf } from "./properties.js";

/** What the first field of a file of copies says, and that of an archive of `inkwire boards export`. */
export const FORMAT = "inkwire elements 1";
const ARCHIVE = "inkwire board 1";
/** Most copies of one file. */
const MOST = 100_000;
const KINDS = ["stroke", "shape", "text", "note", "picture"];

/** A file that holds no copies; `reason` says why: `notOurs`, `damaged` or `tooMany`. */
export class NotCopies extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** A copy of an element as it is seen, moved by so much, in board units. @param {any} element @param {number[]} moved @returns {any} */
export function copyOf(element, moved = [0, 0]) {
  const [dx, dy] = moved;
  const { properties, kind } = element;
  const perUnit = 2 ** element.scale;
  const by = [properties.offset[0] + Math.round(dx * perUnit), properties.offset[1] + Math.round(dy * perUnit)];
  const later = Object.fromEntries(LATER.map((name) => [name, properties[name]]));
  return { content: contentOf(element, by, properties), kind, rank: properties.rank, ...later };
}

/** @param {any} element @param {number[]} moved @param {any} look */
function contentOf({ kind, content, ink, pressed }, [dx, dy], { colour, fill, width, text }) {
  if (kind === "stroke") {
    const { tool, scale } = content.begin;
    const begin = { tool, colour, width, scale, x: ink.x[0] + dx, y: ink.y[0] + dy };
    if (pressed) begin.pressure = ink.pressure[0];
    const step = (list, at) => list[at] - list[at - 1];
    const indices = Array.from({ length: ink.x.length - 1 }, (_, at) => at + 1);
    const points = { steps: indices.map((at) => [step(ink.x, at), step(ink.y, at)]) };
    if (pressed) points.pressures = indices.map((at) => step(ink.pressure, at));
    return { begin, points };
  }
  const { type, gestureBack, ...made } = content;
  const moved = { ...made, colour, x: made.x + dx, y: made.y + dy };
  if (fill !== undefined) moved.fill = fill;
  if (text !== undefined) moved.text = text;
  if (kind === "shape") moved.width = width;
  else if (kind !== "picture") moved.size = width;
  return moved;
}

/** The operations that draw a copy, without those of its later properties. */
export function operationsOf({ kind, content }, slot) {
  if (kind !== "stroke") return [{ type: kind, ...content }];
  const { begin, points: { steps, pressures } } = content;
  const operations = [{ type: "begin", slot, ...begin }];
  for (let from = 0; from < steps.length; from += POINTS) {
    const points = { type: "points", slot, steps: steps.slice(from, from + POINTS) };
    if (pressures) points.pressures = pressures.slice(from, from + POINTS);
    operations.push(points);
  }
  return [...operations, { type: "end", slot }];
}

/** The properties that a copy is given once it is drawn. */
function propertiesOf(copy, groups) {
  return LATER.flatMap((name) => {
    const made = propertyOf(name, PROPERTIES[name].later);
    const property = propertyOf(name, copy[name] ?? PROPERTIES[name].later);
    if (Object.keys(made).every((part) => made[part] === property[part])) return [];
    return [name === "group" ? { name, group: groups(copy.group) } : property];
  });
}

/**
 * Draws copies, in painting order, as part of a gesture; gives back the keys of the new elements. `newGroup` gives numbers for
 * their groups, so that a copy is not grouped with what it was made of.
 */
export function drawCopies(gesture, copies, newGroup) {
  const { session } = gesture;
  const numbers = new Map();
  const groups = (old) => numbers.get(old) ?? numbers.set(old, newGroup(old)).get(old);
  return copies.map((copy) => {
    const [first, ...others] = operationsOf(copy, freeSlot(session));
    const cseq = gesture.submit(first);
    for (const operation of others) gesture.goOn(operation);
    const element = { author: session.self, cseq };
    for (const property of propertiesOf(copy, groups)) patch(gesture, element, property);
    return `${session.self}:${cseq}`;
  });
}

/** The text of a file with copies of elements. @param {Record<string, string>} images the bytes of pictures, as data URLs */
export function written(elements, images = {}) {
  const copies = [...elements].sort(inOrder).map((element) => copyOf(element));
  const lines = copies.map(({ rank, ...copy }) => JSON.stringify(copy)).join(",\n");
  return `{"format":${JSON.stringify(FORMAT)},\n"elements":[\n${lines}\n],\n"images":${JSON.stringify(images)}}\n`;
}

/** What a file of copies, or an archive of the server, holds; throws {@link NotCopies}. */
export function read(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new NotCopies("notOurs");
  }
  const format = file?.format;
  if (format !== FORMAT && format !== ARCHIVE) throw new NotCopies("notOurs");
  if (!Array.isArray(file.elements)) throw new NotCopies("damaged");
  if (file.elements.length > MOST) throw new NotCopies("tooMany");
  try {
    const copies = format === FORMAT ? file.elements.map(checked) : archived(file);
    const images = format === FORMAT ? file.images : mapped(file.images ?? {}, (bytes) => `data:;base64,${bytes}`);
    return { copies, images: mapped(images ?? {}, String) };
  } catch (error) {
    throw new NotCopies(error instanceof NotCopies ? error.reason : "damaged");
  }
}

const mapped = (object, act) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, act(value)]));

/** The visible elements of an archive, as copies. */
function archived({ authors, elements }) {
  const undone = new Set();
  for (const { author, gestures } of authors) {
    for (const gesture of gestures) if (gesture.undone) undone.add(`${author}:${gesture.gesture}`);
  }
  const made = elements.map((wire) => new Element(wire));
  for (const element of made) element.refresh(({ author, gesture }) => undone.has(`${author}:${gesture}`));
  return made.filter(({ visible }) => visible).sort(inOrder).map((element) => checked(copyOf(element)));
}

/** A copy that the protocol can carry; throws if it is none. @param {any} copy as a file has it */
function checked({ kind, content, locked, ...later }) {
  if (!KINDS.includes(kind)) throw new NotCopies("damaged");
  const own = Object.fromEntries(LATER.map((name) => [name, later[name]]));
  const copy = { kind, content, ...own, locked: locked === true };
  const element = { author: 0, cseq: 1 };
  const patches = propertiesOf(copy, (number) => number).map((property) => ({ type: "patch", gestureBack: 0, element, property }));
  const operations = [...operationsOf(copy, 0).map((operation) => ({ gestureBack: 0, ...operation })), ...patches];
  for (const operation of operations) {
    const [message] = decodeClient(encodeClient([{ type: "operations", firstCseq: 1, operations: [operation] }]));
    if (message.operations[0].type !== operation.type) throw new NotCopies("damaged");
  }
  return copy;
}
