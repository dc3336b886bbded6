// The properties of elements: a row for each, from which hash, copies, painting and bringing back follow, and the values with which an
// element is made. The codec has their encodings.

import { MATRIX_ONE, RANKS_BETWEEN } from "../protocol/limits.js";
import { DASHES } from "../protocol/names.js";
import { colourWord } from "./hash.js";

const IDENTITY = [1, 0, 0, 1];
const ALL = ["stroke", "shape", "text", "note", "picture"];

/**
 * @typedef {object} Row
 * @property {number} word by which the state hash knows it
 * @property {string[]} kinds of elements that have it
 * @property {boolean} isSeen whether an element is painted again if it changes
 * @property {any} [later] the value that an element is made with, if its operation says none: a copy is given another one once it is drawn
 * @property {(value: any) => object} toWire a value as the protocol has it
 * @property {(property: any) => any} fromWire
 * @property {(fold: import("./hash.js").Fold, property: any) => void} fold
 */

/** A property that is on the wire as it is here. @param {string} name @param {Pick<Row, "word" | "kinds" | "isSeen" | "fold"> & { later?: any }} row @returns {Row} */
const plain = (name, row) => ({ ...row, toWire: (value) => ({ [name]: value }), fromWire: (property) => property[name] });

/** @type {Record<string, Row>} */
export const PROPERTIES = {
  colour: plain("colour", { word: 64, kinds: ALL, isSeen: true, fold: (fold, { colour }) => fold.word(colourWord(colour)) }),
  fill: {
    word: 65, kinds: ["shape", "note"], isSeen: true,
    toWire: (colour) => ({ colour }),
    fromWire: ({ colour }) => colour,
    fold: (fold, { colour }) => fold.word(colourWord(colour)),
  },
  width: plain("width", { word: 66, kinds: ["stroke", "shape", "text", "note"], isSeen: true, fold: (fold, { width }) => fold.word(width) }),
  offset: {
    word: 67, kinds: ALL, isSeen: true,
    toWire: ([x, y]) => ({ x, y }),
    fromWire: ({ x, y }) => [x, y],
    fold(fold, { x, y }) {
      fold.word(x);
      fold.word(y);
    },
  },
  text: plain("text", { word: 68, kinds: ["text", "note"], isSeen: true, fold: (fold, { text }) => fold.text(text) }),
  dash: plain("dash", {
    word: 69, kinds: ["stroke", "shape"], isSeen: true, later: "solid", fold: (fold, { dash }) => fold.word(DASHES.indexOf(dash)),
  }),
  matrix: {
    word: 70, kinds: ALL, isSeen: true, later: IDENTITY,
    toWire(matrix) {
      const [a, b, c, d] = fixed(matrix);
      return { a, b, c, d };
    },
    fromWire: ({ a, b, c, d }) => [a, b, c, d].map((entry) => entry / MATRIX_ONE),
    fold(fold, property) {
      for (const entry of "abcd") fold.word(property[entry]);
    },
  },
  rank: plain("rank", { word: 71, kinds: ALL, isSeen: false, fold: (fold, { rank }) => fold.number(rank) }),
  locked: plain("locked", { word: 72, kinds: ALL, isSeen: false, later: false, fold: (fold, { locked }) => fold.word(locked ? 1 : 0) }),
  group: plain("group", { word: 73, kinds: ALL, isSeen: false, later: 0, fold: (fold, { group }) => fold.number(group) }),
};

/** The properties on which it depends how an element looks. */
export const SEEN = Object.keys(PROPERTIES).filter((name) => PROPERTIES[name].isSeen);
/** The properties that a copy is given once it is drawn. */
export const LATER = Object.keys(PROPERTIES).filter((name) => PROPERTIES[name].later !== undefined);

/** The entries of a matrix as the protocol has them. @param {number[]} matrix */
export const fixed = (matrix) => matrix.map((entry) => Math.round(entry * MATRIX_ONE));

/** Whether two values of a property are the same. */
export const sameValue = (one, other) =>
  one === other || (Array.isArray(one) && one.every((entry, at) => entry === other[at]));

/** A property as the protocol has it, of the value that an element has of it. @param {string} name @param {any} value */
export const propertyOf = (name, value) => ({ name, ...PROPERTIES[name].toWire(value) });

/** Returns the properties with which an element is made; written out, because a board may have 100,000 elements. @param {any} content @param {number} seq */
export function madeWith(content, seq) {
  const { colour, fill, width, size, text } = content.begin ?? content;
  const { dash, matrix, locked, group } = PROPERTIES;
  return {
    colour, fill, width: width ?? size ?? 0, text, offset: [0, 0], rank: seq * RANKS_BETWEEN,
    dash: dash.later, matrix: matrix.later, locked: locked.later, group: group.later,
  };
}
