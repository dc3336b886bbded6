// Draws the boards of a file as SVG with the page's code, and ends with 1 at the first one that is other bytes.

import { createInterface } from "node:readline";
import { createReadStream } from "node:fs";
import { Board } from "../../static/js/board/board.js";
import { inOrder } from "../../static/js/board/element.js";
import { decodeServer } from "../../static/js/protocol/codec.js";
import { svg } from "../../static/js/files/svg.js";

/** The board of a snapshot's packets. */
function boardOf(snapshot) {
  const [head, ...rest] = snapshot.split(" ").flatMap((packet) => decodeServer(Buffer.from(packet, "hex")));
  const { hash } = rest.pop();
  return Board.restore({ ...head, elements: rest.flatMap((message) => message.elements), hash });
}

let number = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  number += 1;
  const { snapshot, svg: expected } = JSON.parse(line);
  const found = svg([...boardOf(snapshot).visible()].sort(inOrder));
  if (found !== expected) {
    const [a, b] = [expected, found].map((text) => text.split("\n"));
    const at = a.findIndex((row, index) => row !== b[index]);
    console.log(`board ${number}, line ${at + 1}\nexpected ${a[at]}\nfound    ${b[at]}`);
    process.exit(1);
  }
}
console.log(`${number} boards`);
