// Goes through the histories of a file with the page's session, and ends with 1 at the first line that it does otherwise.

import { createInterface } from "node:readline";
import { createReadStream } from "node:fs";
import { Rejected } from "../../static/js/board/element.js";
import { decodeServer, encodeClient } from "../../static/js/protocol/codec.js";
import { Session, SessionDelegate } from "../../static/js/session/session.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const packetOf = (messages) => (messages.length > 0 ? hex(encodeClient(messages)) : "");

/** The page's session, by the events of a history. Each returns the packet that it sends. */
const EVENTS = {
  begins: ({ client }) => {
    session = new Session({ clientId: client, nextCseq: 1, name: "Ada", colour: "#1971c2ff" }, new SessionDelegate());
    return "";
  },
  greets: () => packetOf(session.greeting()),
  leaves: () => {
    session.left();
    return "";
  },
  submits: ({ operation }) => {
    session.submit(operation);
    return packetOf(session.takeMessages());
  },
  receives: ({ packet }) => {
    try {
      session.receive(decodeServer(Buffer.from(packet, "hex")));
    } catch (error) {
      // Said if the other one goes on.
      trouble = error;
      return "does not follow";
    }
    return packetOf(session.takeMessages());
  },
};

let session;
let trouble;

/** The session as a line of a history has it, by the alphabet. */
const stateOf = () => ({
  hash: session.log.hash.toString(),
  pending: session.pending.map(({ cseq }) => cseq),
  received: session.received.map(({ cseq, seq }) => [cseq, seq]),
  seq: session.log.seq,
});

let number = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  number += 1;
  const { event, sends, state, ...more } = JSON.parse(line);
  let does;
  try {
    does = { sends: EVENTS[event](more), state: stateOf() };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    does = { rejects: error.reason };
  }
  const [expected, found] = [{ sends, state }, does].map((it) => JSON.stringify(it));
  if (expected !== found) {
    console.log(`line ${number}: ${line}\nexpected ${expected}\nfound    ${found}`, sends === does.sends ? "" : trouble);
    process.exit(1);
  }
}
console.log(`${number} lines`);
