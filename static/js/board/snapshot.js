// A board as plain data that a browser can keep, and a board from that again.

import { Board } from "./board.js";

/**
 * @typedef {{ seq: number, hash: string, authors: any[], elements: any[] }} Snapshot a board, in the shape of the protocol's
 * snapshot, but with the ink of each stroke in columns: a browser copies three arrays of numbers sooner than one for each point
 */

/** @param {Board} board one that stands on no other @returns {Snapshot} */
export function snapshotOf(board) {
  const authors = Array.from(board.authors, ([author, { cseq, history }]) => ({
    author, cseq, gestures: history.gestures.map(({ id, undone }) => ({ gesture: id, undone })),
  }));
  return { seq: board.seq, hash: board.hash.toString(), authors, elements: Array.from(board.elements.values(), packed) };
}

/** The board of a snapshot; throws {@link Diverged} where it does not have its hash. @param {Snapshot} snapshot */
export function restored(snapshot) {
  return Board.restore({ ...snapshot, elements: snapshot.elements.map(unpacked) });
}

/** @param {any} element which a board that stands on no other has */
function packed({ author, cseq, seq, gesture, deletions, patches, content, live, ink, pressed }) {
  const columns = ink && { x: Int32Array.from(ink.x), y: Int32Array.from(ink.y) };
  const pressures = pressed && { pressure: Uint16Array.from(ink.pressure) };
  const now = ink ? { ...content, live } : content;
  return { author, cseq, seq, gesture, deletions, patches, content: now, ink: ink && { ...columns, ...pressures } };
}

function unpacked({ ink, ...element }) {
  if (!ink) return element;
  const { x, y, pressure = new Uint16Array(x.length) } = ink;
  const columns = { x: Array.from(x), y: Array.from(y), pressure: Array.from(pressure) };
  return { ...element, content: { ...element.content, ink: columns } };
}
