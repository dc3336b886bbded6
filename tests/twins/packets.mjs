// Decodes the packets of a file with the page's codec, and ends with 1 at the first one that it judges otherwise.

import { createInterface } from "node:readline";
import { createReadStream } from "node:fs";
import { DecodeError } from "../../static/js/protocol/bytes.js";
import { decodeClient, decodeServer, encodeClient, encodeServer } from "../../static/js/protocol/codec.js";

const SIDES = { client: [decodeClient, encodeClient], server: [decodeServer, encodeServer] };

/** The rule that a packet breaks; "" if it breaks none and has the same bytes when it is encoded again. */
function verdict({ side, packet }) {
  const [decode, encode] = SIDES[side];
  try {
    const again = Buffer.from(encode(decode(Buffer.from(packet, "hex")))).toString("hex");
    return again === packet ? "" : `encoded as ${again}`;
  } catch (error) {
    if (error instanceof DecodeError) return error.rule;
    throw error;
  }
}

let number = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  number += 1;
  const step = JSON.parse(line);
  const found = verdict(step);
  if (found !== step.rule) {
    console.log(`line ${number}: ${line}\nexpected ${JSON.stringify(step.rule)}\nfound    ${JSON.stringify(found)}`);
    process.exit(1);
  }
}
console.log(`${number} lines`);
