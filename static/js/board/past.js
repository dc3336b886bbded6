// The past of a board: its whole log, and the board at any moment of it. Pure.

import { Board, Diverged } from "./board.js";

/** Boards that are kept between the first moment and the last, so that no moment is far from one. */
const KEPT = 24;
/** Operations that are replayed in no time, so that no board need be kept between them. */
const NEAR = 1_000;

export class Past {
  constructor() {
    /** @type {any[]} the entry of sequence number `n` at `n - 1` */
    this.entries = [];
    /** The board behind the last entry. */
    this.tip = new Board();
    /** Boards on the way there, in rising order. They are never changed. @type {Board[]} */
    this.kept = [new Board()];
  }

  /** The sequence number of the last entry. */
  get seq() {
    return this.entries.length;
  }

  /**
   * Takes the next part of the log; throws {@link Diverged} where it does not follow, or does not come to its state hash.
   *
   * @param {{ firstSeq: number, lastSeq: number, hash: string, entries: any[] }} part
   */
  add({ firstSeq, lastSeq, hash, entries }) {
    if (firstSeq !== this.seq + 1) throw new Diverged(`the past goes on at ${firstSeq}, it stands at ${this.seq}`);
    const apart = Math.max(NEAR, Math.ceil(lastSeq / KEPT));
    for (const entry of entries) {
      this.entries.push(entry);
      this.tip.replay(this.seq, entry);
      if (this.seq - this.#lastKept.seq >= apart) this.kept.push(this.tip.copy());
    }
    this.tip.changed.clear();
    if (this.tip.hash.toString() !== hash) throw new Diverged(`operation ${this.seq} does not come to its state hash`);
  }

  get #lastKept() {
    return this.kept[this.kept.length - 1];
  }

  /** The board as it was behind an operation. @param {number} seq */
  at(seq) {
    // The first one is the empty board.
    const near = this.kept.findLast((board) => board.seq <= seq) ?? this.kept[0];
    const board = this.forward(near.copy(), seq);
    board.changed.clear();
    return board;
  }

  /**
   * The keys of what is different on a board of this past at a later moment. @param {Board} board @param {number} seq
   * @returns {Set<string>}
   */
  differences(board, seq) {
    return this.forward(board.copy(), seq).changed;
  }

  /** Lets a board of this past go on to another moment. @param {Board} board @param {number} seq */
  forward(board, seq) {
    while (board.seq < seq) board.replay(board.seq + 1, this.entries[board.seq]);
    return board;
  }
}

/** A board of which only what one author made is seen. */
export class OfAuthor {
  /** @param {Board} board @param {number} author */
  constructor(board, author) {
    this.board = board;
    this.author = author;
  }

  *visible() {
    for (const element of this.board.visible()) if (element.author === this.author) yield element;
  }

  element(key) {
    const element = this.board.element(key);
    return element?.author === this.author ? element : undefined;
  }
}
