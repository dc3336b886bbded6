// Goes through the operations of a file on the page's board, and ends with 1 at the first one that it takes otherwise.

import { createInterface } from "node:readline";
import { createReadStream } from "node:fs";
import { Board } from "../../static/js/board/board.js";
import { Rejected } from "../../static/js/board/element.js";
import { decodeClient } from "../../static/js/protocol/codec.js";

/** What the board does with an operation: its state hash after it, or the reason for which it rejects it. */
function outcome(board, { author, cseq, packet }) {
  const [{ operations }] = decodeClient(Buffer.from(packet, "hex"));
  try {
    board.submit(author, cseq, operations[0]);
    return board.hash.toString();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return error.reason;
  }
}

let board = new Board();
let number = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  number += 1;
  if (line === "begins") {
    board = new Board();
    continue;
  }
  const step = JSON.parse(line);
  const found = outcome(board, step);
  if (found !== step.outcome) {
    console.log(`line ${number}: ${line}\nexpected ${step.outcome}\nfound    ${found}`);
    process.exit(1);
  }
}
console.log(`${number} lines`);
