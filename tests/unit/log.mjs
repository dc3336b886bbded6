// A log of a board as several people draw it: strokes, shapes, moves, deletions, undo and redo, the same every time.

import { Board } from "../../static/js/board/board.js";
import { Rejected } from "../../static/js/board/element.js";

/** Numbers below a limit, the same every time (a linear congruential generator). */
function dice(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** `count` entries of a log, and the hash of the board behind each; at 0 that of an empty one. */
export function drawn(count) {
  const roll = dice(7);
  const board = new Board();
  const authors = [1, 2, 3].map((author) => ({ author, cseq: 0, steps: 0 }));
  const entries = [];
  const hashes = [board.hash.toString()];
  while (entries.length < count) {
    const one = authors[roll(3)];
    const operation = next(one, roll);
    try {
      board.submit(one.author, one.cseq + 1, operation);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      continue;
    }
    one.cseq += 1;
    if (operation.type === "begin") one.steps = 6;
    entries.push({ author: one.author, operation });
    hashes.push(board.hash.toString());
  }
  return { entries, hashes };
}

function next(one, roll) {
  const place = { x: roll(8_000), y: roll(8_000) };
  const look = { colour: "#e03231ff", width: 20, scale: 3 };
  if (one.steps > 0) {
    one.steps -= 1;
    if (one.steps === 0) return { type: "end", slot: 0 };
    return { type: "points", slot: 0, steps: Array.from({ length: 4 }, () => [roll(40) - 20, roll(40) - 20]) };
  }
  const element = { author: 1 + roll(3), cseq: 1 + roll(Math.max(1, one.cseq)) };
  switch (roll(12)) {
    case 0:
      return { type: "shape", gestureBack: 0, kind: "rectangle", ...look, fill: "#00000000", ...place, dx: 100, dy: 80 };
    case 1:
      return { type: "patch", gestureBack: 0, element, property: { name: "offset", ...place } };
    case 2:
      return { type: "delete", gestureBack: 0, elements: [element] };
    case 3:
      return { type: "undo", gesture: one.cseq };
    case 4:
      return { type: "redo", gesture: one.cseq };
    default:
      return { type: "begin", slot: 0, gestureBack: 0, tool: "pen", ...look, ...place };
  }
}
