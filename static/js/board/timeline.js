// When a board was drawn: sequence numbers as times of day, and as moments of a replay in which nobody waits. Pure.

/** A pause is shown as at most so long, in milliseconds. */
const PAUSE = 2_000;
/** What an operation takes where nothing is known of its time, in milliseconds. */
const UNKNOWN = 20;

export class Timeline {
  /**
   * @param {{ seq: number, at: number }[]} moments in rising order
   * @param {number} last the last sequence number
   */
  constructor(moments, last) {
    this.moments = moments.filter(({ seq }) => seq <= last);
    /** Where the replay is at a sequence number: `{ seq, at, ms }`. */
    this.marks = [{ seq: 0, ms: 0 }];
    for (const { seq, at } of this.moments) this.#mark(seq - 1, at);
    this.#mark(last, undefined);
  }

  #mark(seq, at) {
    const before = this.#last;
    const operations = seq - before.seq;
    if (operations < 0) return;
    const took = at === undefined || this.before === undefined ? operations * UNKNOWN : at - this.before;
    this.marks.push({ seq, ms: before.ms + Math.min(Math.max(took, 0), PAUSE) });
    this.before = at;
  }

  /** How long the replay is, in milliseconds. */
  get length() {
    return this.#last.ms;
  }

  get #last() {
    return this.marks[this.marks.length - 1];
  }

  /** The moment of the replay at which an operation is done. @param {number} seq */
  msOf(seq) {
    return between(this.marks, "seq", "ms", seq);
  }

  /** The last operation that is done at a moment of the replay. @param {number} ms */
  seqAt(ms) {
    return Math.floor(between(this.marks, "ms", "seq", ms) + 1e-9);
  }

  /** When an operation was done; see {@link whenDone}. @param {number} seq */
  when(seq) {
    return whenDone(this.moments, seq);
  }
}

/**
 * When an operation was done, in milliseconds since 1970; `undefined` where that is not known.
 *
 * @param {{ seq: number, at: number }[]} moments in rising order
 * @param {number} seq
 */
export const whenDone = (moments, seq) => moments.findLast((moment) => moment.seq <= seq)?.at;

/** A value between two marks, in proportion. */
function between(marks, from, to, value) {
  const after = marks.findIndex((mark) => mark[from] >= value);
  if (after <= 0) return after === 0 ? marks[0][to] : marks.at(-1)[to];
  const [one, other] = [marks[after - 1], marks[after]];
  const part = other[from] === one[from] ? 1 : (value - one[from]) / (other[from] - one[from]);
  return one[to] + (other[to] - one[to]) * part;
}
