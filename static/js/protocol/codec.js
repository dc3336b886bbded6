// The page's codec: packets of messages to bytes and back. Its twin is server/protocol/src/binary/, and
// server/protocol/vectors.json holds both to the same bytes. Messages have the shape of their JSON mirror, except for the ink of a
// snapshot: it is read into columns of absolute points, because a pair for each of half a million steps is much to collect.

import { DecodeError, ESCAPE, Reader, Writer, toHex } from "./bytes.js";
import * as limits from "./limits.js";
import {
  DASHES, IMAGE_STATES, REACTIONS, REASONS, REJECT_REASONS, ROLES, SHAPES, STORAGE_STATES, TOOLS,
} from "./names.js";

export const PROPERTY_NAMES = ["colour", "fill", "width", "offset", "text", "dash", "matrix", "rank", "locked", "group"];
/** Properties that the first version of `patch` had; the others stand in an operation of another tag. */
const FIRST_PROPERTIES = 5;
const CHANGES = ["here", "cursor", "gone", "view", "laser", "standing", "reaction", "draft", "writing"];
const ACTIONS = [
  "remove", "ban", "unban", "mute", "lend", "lock", "makeLink", "revokeLink", "withoutLink", "password", "lowerHand", "rules",
  "audit",
];

// Fields: each has a way to read and a way to write, so that an operation is written down once.

const value = (names) => ({
  read(reader) {
    const name = names[reader.byte()];
    if (name === undefined) throw new DecodeError("unknownValue");
    return name;
  },
  write: (writer, name) => writer.byte(names.indexOf(name)),
});

const number = { read: (reader) => reader.number(), write: (writer, it) => writer.number(it) };
const byte = { read: (reader) => reader.byte(), write: (writer, it) => writer.byte(it) };
const flag = { read: (reader) => reader.flag(), write: (writer, it) => writer.flag(it) };
const hex = (length) => ({ read: (reader) => reader.hex(length), write: (writer, it) => writer.hex(it) });
const text = (limit) => ({ read: (reader) => reader.text(limit), write: (writer, it) => writer.text(it) });
const colour = {
  read(reader) {
    const bytes = reader.take(4);
    const word = (bytes[0] << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3];
    // A board has few colours: most are those of the stroke before, or of one not long ago.
    let text = colours.get(word);
    if (text === undefined) {
      if (colours.size === COLOURS_KEPT) colours.clear();
      colours.set(word, (text = `#${toHex(bytes)}`));
    }
    return text;
  },
  write: (writer, it) => writer.hex(it.slice(1)),
};
/** @type {Map<number, string>} */
const colours = new Map();
const COLOURS_KEPT = 256;
const author = {
  read: (reader) => reader.numberUpTo(limits.AUTHOR, "numberTooLarge"),
  write: (writer, it) => writer.number(it),
};

const signed = (least, most, rule) => ({
  read(reader) {
    const it = reader.signed();
    if (it < least || it > most) throw new DecodeError(rule);
    return it;
  },
  write: (writer, it) => writer.signed(it),
});

const coordinate = signed(-limits.COORDINATE, limits.COORDINATE, "coordinateOutOfRange");
const distance = signed(-2 * limits.COORDINATE, 2 * limits.COORDINATE, "coordinateOutOfRange");
const scale = signed(limits.SCALE_MIN, limits.SCALE_MAX, "scaleOutOfRange");

const matrixEntry = signed(-limits.MATRIX, limits.MATRIX, "matrixOutOfRange");

const width = {
  read(reader) {
    const it = reader.numberUpTo(limits.WIDTH, "widthOutOfRange");
    if (it === 0) throw new DecodeError("widthOutOfRange");
    return it;
  },
  write: (writer, it) => writer.number(it),
};

const slot = {
  read(reader) {
    const it = reader.byte();
    if (it >= limits.LIVE_SLOTS) throw new DecodeError("slotOutOfRange");
    return it;
  },
  write: (writer, it) => writer.byte(it),
};

const place = {
  read(reader) {
    const x = coordinate.read(reader);
    return [x, coordinate.read(reader)];
  },
  write(writer, [x, y]) {
    writer.signed(x);
    writer.signed(y);
  },
};

const area = {
  read(reader) {
    const first = place.read(reader);
    return [...first, ...place.read(reader)];
  },
  write(writer, sides) {
    for (const side of sides) writer.signed(side);
  },
};

const imagePart = {
  read(reader) {
    const image = reader.hex(32);
    const length = reader.numberUpTo(limits.IMAGE_BYTES, "imageTooLarge");
    const offset = reader.numberUpTo(length, "imageTooLarge");
    const bytes = reader.rest();
    if (bytes.length === 0) throw new DecodeError("empty");
    if (bytes.length > limits.IMAGE_PART || offset + bytes.length > length) throw new DecodeError("imageTooLarge");
    return { image, length, offset, bytes: toHex(bytes) };
  },
  write(writer, { image, length, offset, bytes }) {
    writer.hex(image);
    writer.number(length);
    writer.number(offset);
    // In JSON bytes are hex; the page has them as they are.
    if (typeof bytes === "string") writer.hex(bytes);
    else writer.raw(bytes);
  },
};

const list = (item) => ({
  read(reader) {
    const all = [];
    for (let left = reader.count(); left > 0; left--) all.push(item.read(reader));
    return all;
  },
  write(writer, all) {
    writer.number(all.length);
    for (const one of all) item.write(writer, one);
  },
});

const untilEmpty = (item, least = 0, most = Infinity) => ({
  read(reader) {
    const all = [];
    while (reader.remaining > 0) {
      if (all.length === most) throw new DecodeError("tooMany");
      all.push(item.read(reader));
    }
    if (all.length < least) throw new DecodeError("empty");
    return all;
  },
  write(writer, all) {
    for (const one of all) item.write(writer, one);
  },
});

/** Fields one after the other, as an object or into one; an optional one is a flag and is left out of the object when absent. */
const fields = (described) => {
  // Looked up once: a snapshot reads a hundred thousand of these.
  const all = Object.entries(described).map(([name, field]) => ({ name, field: field.optional ?? field, isOptional: field.optional !== undefined }));
  return {
    read(reader, it = {}) {
      for (let at = 0; at < all.length; at++) {
        const { name, field, isOptional } = all[at];
        if (!isOptional || reader.flag()) it[name] = field.read(reader);
      }
      return it;
    },
    write(writer, it) {
      for (const { name, field, isOptional } of all) {
        if (isOptional) writer.flag(it[name] !== undefined);
        if (!isOptional || it[name] !== undefined) field.write(writer, it[name]);
      }
    },
  };
};

const optional = (field) => ({ optional: field });
const reference = fields({ author, cseq: number });
const gestureReference = fields({ author, gesture: number });

/** One of several kinds, told apart by a byte in front; `tag` is the name of the field that holds the kind. */
const oneOf = (tag, names, kinds) => ({
  read(reader) {
    const name = names[reader.byte()];
    if (name === undefined) throw new DecodeError("unknownValue");
    return kinds[name].read(reader, { [tag]: name });
  },
  write(writer, it) {
    writer.byte(names.indexOf(it[tag]));
    kinds[it[tag]].write(writer, it);
  },
});

const begin = fields({
  slot, gestureBack: number, tool: value(TOOLS), colour, width, scale, x: coordinate, y: coordinate,
  pressure: optional(byte),
});

const shape = fields({
  gestureBack: number, kind: value(SHAPES), colour, fill: colour, width, scale, x: coordinate, y: coordinate,
  dx: distance, dy: distance,
});

const textElement = fields({
  gestureBack: number, colour, size: width, scale, x: coordinate, y: coordinate, text: text(limits.TEXT),
});

const note = fields({
  gestureBack: number, colour, fill: colour, size: width, scale, x: coordinate, y: coordinate, dx: distance, dy: distance,
  text: text(limits.TEXT),
});

const picture = fields({
  gestureBack: number, image: hex(32), colour, scale, x: coordinate, y: coordinate, dx: distance, dy: distance,
});

const property = oneOf("name", PROPERTY_NAMES, {
  colour: fields({ colour }),
  fill: fields({ colour }),
  width: fields({ width }),
  offset: fields({ x: coordinate, y: coordinate }),
  text: fields({ text: text(limits.TEXT) }),
  dash: fields({ dash: value(DASHES) }),
  matrix: fields({ a: matrixEntry, b: matrixEntry, c: matrixEntry, d: matrixEntry }),
  rank: fields({ rank: signed(-limits.RANK, limits.RANK, "numberTooLarge") }),
  locked: fields({ locked: flag }),
  group: fields({ group: number }),
});

const isFirst = (name) => PROPERTY_NAMES.indexOf(name) < FIRST_PROPERTIES;

/** A patch of one of its two tags, which takes the properties of that. */
const patch = (isOfThis) => {
  const all = fields({ gestureBack: number, element: reference, property });
  return {
    read(reader) {
      const it = all.read(reader);
      if (!isOfThis(it.property.name)) throw new DecodeError("unknownValue");
      return it;
    },
    write: all.write,
  };
};

const points = {
  read(reader) {
    const { slot, count, pressed } = readHead(reader, 1, limits.POINTS);
    const [dx, dy] = [new Array(count), new Array(count)];
    readSteps(reader, dx, dy, 0);
    const it = { slot, steps: dx.map((step, at) => [step, dy[at]]) };
    if (pressed) readPressures(reader, (it.pressures = new Array(count)), 0);
    return it;
  },
  write(writer, it) {
    const pressed = it.pressures !== undefined;
    writer.number(it.steps.length * 16 + (pressed ? 8 : 0) + it.slot);
    it.steps.forEach((step, at) => {
      const before = it.steps[at - 1];
      if (before) writer.pair(step[0] - before[0], step[1] - before[1]);
      else place.write(writer, step);
    });
    if (!pressed) return;
    for (let at = 0; at < it.pressures.length; at += 2) writer.pair(it.pressures[at], it.pressures[at + 1] ?? 0);
  },
};

function readHead(reader, least, most) {
  const head = reader.number();
  const count = Math.floor(head / 16);
  if (count > most) throw new DecodeError("tooMany");
  if (count < least) throw new DecodeError("empty");
  if (count > reader.remaining) throw new DecodeError("truncated");
  const pressed = (head & 8) !== 0;
  if (pressed && count === 0) throw new DecodeError("invalidFlag");
  return { slot: head & 7, count, pressed };
}

/** Fills two columns with steps, from an index on. @param {Reader} reader @param {number[]} dxs @param {number[]} dys */
function readSteps(reader, dxs, dys, from) {
  const most = 2 * limits.COORDINATE;
  const { bytes } = reader;
  let dx = 0;
  let dy = 0;
  for (let at = from; at < dxs.length; at++) {
    const byte = bytes[reader.at];
    if (at === from) {
      dx = reader.signed();
      dy = reader.signed();
    } else if (byte >> 4 !== ESCAPE && (byte & 0xf) !== ESCAPE && byte !== undefined) {
      // Nearly every step: without a call, because the first of them are read before any of this is compiled.
      dx += (byte << 24) >> 28;
      dy += (byte << 28) >> 28;
      reader.at += 1;
    } else {
      reader.byte();
      dx += reader.step(byte >> 4);
      dy += reader.step(byte & 0xf);
    }
    if (dx > most || dx < -most || dy > most || dy < -most) throw new DecodeError("coordinateOutOfRange");
    dxs[at] = dx;
    dys[at] = dy;
  }
}

/** Fills a column with changes of pressure, from an index on; there are two to a byte. @param {Reader} reader @param {number[]} column */
function readPressures(reader, column, from) {
  const most = limits.PRESSURE;
  for (let at = from; at < column.length; at += 2) {
    const byte = reader.byte();
    const first = reader.step(byte >> 4);
    const second = reader.step(byte & 0xf);
    if (first > most || first < -most || second > most || second < -most) throw new DecodeError("pressureOutOfRange");
    column[at] = first;
    if (at + 1 < column.length) column[at + 1] = second;
    else if (second !== 0) throw new DecodeError("stepNotMinimal");
  }
}

/** Makes values of a first one and the changes behind it. @param {number[]} column */
function addUp(column, first) {
  column[0] = first;
  let value = first;
  for (let at = 1; at < column.length; at++) column[at] = value += column[at];
}

/** The points of a stroke of a snapshot as its ink: what stands behind the first point becomes absolute. */
const ink = {
  /** @param {Reader} reader @param {any} begin */
  read(reader, { x, y, pressure = 0 }) {
    const { slot, count, pressed } = readHead(reader, 0, limits.STROKE_POINTS);
    if (slot !== 0) throw new DecodeError("slotOutOfRange");
    const it = { x: new Array(count + 1), y: new Array(count + 1), pressure: new Array(count + 1) };
    readSteps(reader, it.x, it.y, 1);
    if (pressed) readPressures(reader, it.pressure, 1);
    addUp(it.x, x);
    addUp(it.y, y);
    if (pressed) addUp(it.pressure, pressure);
    else it.pressure.fill(pressure);
    return it;
  },
  write(writer, { x, y, pressure }, isPressed) {
    const changes = (column) => column.slice(1).map((it, at) => it - column[at]);
    const [dx, dy] = [changes(x), changes(y)];
    const it = { slot: 0, steps: dx.map((step, at) => [step, dy[at]]) };
    points.write(writer, isPressed && dx.length > 0 ? { ...it, pressures: changes(pressure) } : it);
  },
};

const LATER_PATCH = "laterPatch";
const laterType = (it) => (it.type === "patch" && !isFirst(it.property.name) ? LATER_PATCH : it.type);

/** Messages or operations: a tag, a length, a body; an unknown tag is kept as it is. */
const tagged = (kinds) => {
  const tags = Object.fromEntries(Object.entries(kinds).map(([type, [tag]]) => [tag, type]));
  return {
    read(reader) {
      const tag = reader.byte();
      const body = reader.body();
      const type = tags[tag];
      if (type === undefined) return { type: "unknown", tag, body: body.hex(body.remaining) };
      const it = { type: type === LATER_PATCH ? "patch" : type, ...kinds[type][1].read(body) };
      body.finish();
      return it;
    },
    write(writer, it) {
      const [tag, fields] = kinds[laterType(it)] ?? [it.tag, { write: (inner) => inner.hex(it.body) }];
      writer.byte(tag);
      writer.body((inner) => fields.write(inner, it));
    },
  };
};

const operation = tagged({
  begin: [1, begin],
  points: [2, points],
  end: [3, fields({ slot })],
  cancel: [4, fields({ slot })],
  shape: [5, shape],
  text: [6, textElement],
  patch: [7, patch(isFirst)],
  delete: [8, fields({ gestureBack: number, elements: untilEmpty(reference, 1, limits.DELETIONS) })],
  undo: [9, fields({ gesture: number })],
  redo: [10, fields({ gesture: number })],
  clear: [11, fields({ gestureBack: number })],
  clearAuthor: [15, fields({ gestureBack: number, author })],
  note: [12, note],
  picture: [13, picture],
  [LATER_PATCH]: [14, patch((name) => !isFirst(name))],
});

const entry = {
  read(reader) {
    const head = reader.numberUpTo(2 ** 32 - 1, "numberTooLarge");
    const it = { author: Math.floor(head / 2) };
    if (head % 2 === 1) {
      it.skip = reader.number();
      if (it.skip === 0) throw new DecodeError("numberNotMinimal");
    }
    it.operation = operation.read(reader);
    return it;
  },
  write(writer, it) {
    writer.number(it.author * 2 + (it.skip ? 1 : 0));
    if (it.skip) writer.number(it.skip);
    operation.write(writer, it.operation);
  },
};

const gestureState = {
  read(reader) {
    const it = reader.number();
    return { gesture: Math.floor(it / 2), undone: it % 2 === 1 };
  },
  write: (writer, it) => writer.number(it.gesture * 2 + (it.undone ? 1 : 0)),
};

const strokeContent = {
  read(reader, it) {
    it.begin = begin.read(reader);
    it.ink = ink.read(reader, it.begin);
    const live = reader.byte();
    if (live > limits.LIVE_SLOTS) throw new DecodeError("slotOutOfRange");
    if (live > 0) it.live = live - 1;
    return it;
  },
  write(writer, it) {
    begin.write(writer, it.begin);
    ink.write(writer, it.ink, it.begin.pressure !== undefined);
    writer.byte(it.live === undefined ? 0 : it.live + 1);
  },
};

const element = fields({
  author,
  cseq: number,
  seq: number,
  gesture: number,
  content: oneOf("type", ["stroke", "shape", "text", "note", "picture"], {
    stroke: strokeContent, shape, text: textElement, note, picture,
  }),
  deletions: list(gestureReference),
  patches: list(fields({ by: gestureReference, property })),
});

const change = oneOf("type", CHANGES, {
  here: fields({ author, name: text(limits.NAME), colour }),
  cursor: fields({ author, at: optional(place) }),
  gone: fields({ author }),
  view: fields({ author, view: optional(area) }),
  laser: fields({ author, at: place }),
  standing: fields({ author, role: value(ROLES), draws: flag, muted: flag, hand: flag }),
  reaction: fields({ author, reaction: value(REACTIONS) }),
  draft: fields({ author, shape: optional(shape) }),
  writing: fields({ author, text: optional(textElement) }),
});

const seconds = {
  read: (reader) => reader.numberUpTo(limits.SECONDS, "numberTooLarge"),
  write: (writer, it) => writer.number(it),
};

const action = oneOf("do", ACTIONS, {
  remove: fields({ author }),
  ban: fields({ author, address: flag }),
  unban: fields({ ban: number }),
  mute: fields({ author, muted: flag }),
  lend: fields({ author, seconds }),
  lock: fields({ locked: flag }),
  makeLink: fields({ role: value(ROLES), seconds }),
  revokeLink: fields({ role: value(ROLES) }),
  withoutLink: fields({ role: optional(value(ROLES)) }),
  password: fields({ password: text(limits.PASSWORD) }),
  lowerHand: fields({ author }),
  rules: fields({}),
  audit: fields({}),
});

const clientSequenceNumber = {
  read(reader) {
    const it = reader.number();
    if (it === 0) throw new DecodeError("numberTooSmall");
    return it;
  },
  write: (writer, it) => writer.number(it),
};

const clientOperations = {
  fields: fields({ firstCseq: clientSequenceNumber, operations: untilEmpty(operation, 1, limits.OPERATIONS) }),
  read(reader) {
    const it = this.fields.read(reader);
    if (it.firstCseq + it.operations.length - 1 > limits.CSEQ) throw new DecodeError("numberTooLarge");
    return it;
  },
  write(writer, it) {
    this.fields.write(writer, it);
  },
};

const clientMessage = tagged({
  hello: [1, fields({ clientId: hex(16), epoch: hex(8), seq: number, hash: hex(8), name: text(limits.NAME), colour })],
  operations: [2, clientOperations],
  presence: [3, fields({ cursor: optional(place) })],
  profile: [4, fields({ name: text(limits.NAME), colour })],
  ping: [5, fields({ nonce: number })],
  check: [6, fields({ seq: number, hash: hex(8) })],
  view: [7, fields({ view: optional(area) })],
  laser: [8, fields({ at: place })],
  imagePart: [9, imagePart],
  credentials: [10, fields({ token: optional(hex(16)), visitor: optional(hex(16)), password: text(limits.PASSWORD) })],
  hand: [11, fields({ raised: flag })],
  react: [12, fields({ reaction: value(REACTIONS) })],
  moderate: [13, fields({ action })],
  past: [14, fields({ from: number })],
  chronicle: [15, fields({})],
  branch: [16, fields({ seq: number })],
  draft: [17, fields({ shape: optional(shape) })],
  authors: [18, fields({ from: author })],
  writing: [19, fields({ text: optional(textElement) })],
});

const authorNames = list(fields({ author, name: text(limits.NAME) }));

const serverMessage = tagged({
  welcome: [32, fields({ author, epoch: hex(8), seq: number, cseq: number, mark: number })],
  snapshot: [
    33,
    fields({
      seq: number,
      elements: number,
      authors: untilEmpty(fields({ author, cseq: number, gestures: list(gestureState) })),
    }),
  ],
  elements: [34, fields({ elements: untilEmpty(element, 1) })],
  snapshotEnd: [35, fields({ hash: hex(8) })],
  operations: [36, fields({ firstSeq: number, entries: untilEmpty(entry, 1) })],
  presence: [37, fields({ all: flag, changes: untilEmpty(change) })],
  mark: [38, fields({ seq: number })],
  reject: [39, fields({ cseq: number, reason: value(REJECT_REASONS) })],
  bye: [40, fields({ reason: value(REASONS), retryMs: number, text: text(limits.REASON_TEXT) })],
  pong: [41, fields({ nonce: number })],
  storage: [42, fields({ state: value(STORAGE_STATES) })],
  image: [43, fields({ image: hex(32), state: value(IMAGE_STATES) })],
  access: [44, fields({ role: value(ROLES), draws: flag, locked: flag, muted: flag, hosted: flag })],
  slowDown: [45, fields({ ms: number })],
  link: [46, fields({ role: value(ROLES), token: hex(16), expires: number })],
  rules: [
    47,
    fields({
      withoutLink: optional(value(ROLES)),
      hasPassword: flag,
      links: list(fields({ role: value(ROLES), made: number, expires: number })),
      bans: list(fields({ ban: number, name: text(limits.NAME), address: flag, at: number })),
    }),
  ],
  audit: [48, fields({ records: list(fields({ at: number, who: text(limits.NAME), what: text(limits.NAME), whom: text(limits.NAME) })) })],
  notDone: [49, fields({ text: text(limits.REASON_TEXT) })],
  past: [50, fields({ firstSeq: number, lastSeq: number, hash: hex(8), entries: untilEmpty(entry) })],
  chronicle: [51, fields({ moments: list(fields({ seq: number, at: number })), names: authorNames })],
  branched: [52, fields({ name: text(limits.NAME), token: hex(16) })],
  authors: [53, fields({ names: authorNames })],
});

const decode = (message, most) => (bytes) => {
  const messages = untilEmpty(message, 0, most).read(new Reader(bytes));
  if (messages.length === 0) throw new DecodeError("emptyPacket");
  return messages;
};

const encode = (message) => (messages) => {
  const writer = new Writer();
  for (const one of messages) message.write(writer, one);
  return writer.finish();
};

/** Reads a client's packet: `Uint8Array` to messages; throws a {@link DecodeError} that names the broken rule. */
export const decodeClient = decode(clientMessage, limits.CLIENT_MESSAGES);
/** Reads a server's packet. */
export const decodeServer = decode(serverMessage);
/** Writes a client's packet. */
export const encodeClient = encode(clientMessage);
/** Writes a server's packet. */
export const encodeServer = encode(serverMessage);
