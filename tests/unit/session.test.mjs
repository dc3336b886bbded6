// A session keeps what the server does not have, and sends it again.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Session, SessionDelegate, ownOnly } from "../../static/js/session/session.js";

const text = (words = "x") => ({ type: "text", gestureBack: 0, colour: "#000000ff", size: 9, scale: 3, x: 0, y: 0, text: words });
const identity = () => ({ clientId: "00".repeat(16), nextCseq: 1, name: "Ada", colour: "#000000ff" });
const welcome = (more) => ({ type: "welcome", author: 1, epoch: "01".repeat(8), seq: 0, cseq: 0, mark: 0, ...more });
const empty = [
  { type: "snapshot", seq: 0, elements: 0, authors: [] },
  { type: "snapshotEnd", hash: "0".repeat(16) },
];

function joined(more) {
  const session = new Session(identity(), new SessionDelegate());
  session.receive([welcome(more), ...empty]);
  return session;
}

const logged = (firstSeq, ...operations) => ({
  type: "operations", firstSeq, entries: operations.map((operation) => ({ author: 1, operation })),
});
const sent = (session) => session.takeMessages().flatMap(({ firstCseq, operations }) => operations.map((_, at) => firstCseq + at));

test("what is drawn before the first welcome is sent after it", () => {
  const session = new Session(identity(), new SessionDelegate());
  session.submit(text());
  assert.deepEqual(sent(session), []);
  session.receive([welcome(), ...empty]);
  assert.deepEqual(sent(session), [1]);
  assert.deepEqual(sent(session), [], "once");
});

test("after a reconnect everything that the server does not have is sent again with its numbers", () => {
  const session = joined();
  for (let at = 0; at < 4; at++) session.submit(text());
  sent(session);
  session.receive([logged(1, text(), text())]);
  session.receive([welcome({ seq: 2, cseq: 2 })]);
  assert.deepEqual(sent(session), [3, 4]);
});

test("a server that has lost what it said it had gets it again", () => {
  const session = joined();
  session.submit(text());
  session.submit(text());
  session.receive([logged(1, text(), text())]);
  assert.equal(session.pending.length, 0);
  session.receive([welcome({ epoch: "02".repeat(8) }), ...empty]);
  assert.deepEqual(sent(session), [1, 2]);
  assert.equal(Array.from(session.board.visible()).length, 2, "and they are seen meanwhile");
});

test("what is durable is let go", () => {
  const session = joined();
  session.submit(text());
  session.submit(text());
  session.receive([logged(1, text())]);
  session.receive([logged(2, text()), { type: "mark", seq: 1 }]);
  assert.deepEqual(session.received.map(({ cseq }) => cseq), [2]);
});

test("a rejected operation is no longer seen", () => {
  const session = joined();
  const cseq = session.submit(text());
  session.receive([{ type: "reject", cseq, reason: "boardFull" }]);
  assert.equal(Array.from(session.board.visible()).length, 0);
});

test("an operation that the server cannot read is found and let go, and the rest arrives", () => {
  const session = joined();
  for (let at = 0; at < 3; at++) session.submit(text());
  assert.equal(session.wasMalformed(), false);
  session.receive([welcome()]);
  assert.deepEqual(sent(session), [1], "one at a time");
  assert.equal(session.wasMalformed(), true);
  session.receive([welcome()]);
  assert.deepEqual(sent(session), [2]);
  session.receive([{ type: "operations", firstSeq: 1, entries: [{ author: 1, skip: 1, operation: text() }] }]);
  assert.deepEqual(sent(session), [3]);
});

test("what is sent again to a new lineage lets go of other people's elements only", () => {
  const remove = (gestureBack, ...authors) => ({
    type: "delete", gestureBack, elements: authors.map((author) => ({ author, cseq: 1 })),
  });
  const operations = [text(), remove(0, 7), remove(1, 0, 7), remove(2, 0), { type: "undo", gesture: 2 }, remove(0, 7), { type: "undo", gesture: 6 }];
  const kept = ownOnly(operations.map((operation, at) => ({ cseq: at + 1, operation })));
  assert.deepEqual(kept, [
    { cseq: 1, operation: text() },
    { cseq: 3, operation: remove(0, 0) },
    { cseq: 4, operation: remove(1, 0) },
    { cseq: 5, operation: { type: "undo", gesture: 3 } },
  ]);
});

test("operations that another lineage has are let go only when that is durable", () => {
  const session = joined();
  session.submit(text());
  session.receive([logged(1, text())]);
  session.receive([welcome({ epoch: "02".repeat(8), seq: 7, cseq: 1, mark: 3 })]);
  assert.deepEqual(session.received.map(({ cseq, seq }) => [cseq, seq]), [[1, 7]]);
});

const remove = (author) => ({ type: "delete", gestureBack: 0, elements: [{ author, cseq: 1 }] });
const byAnother = (firstSeq) => ({ type: "operations", firstSeq, entries: [{ author: 2, operation: text() }] });

test("a log that is ahead of the server's has what is pending once", () => {
  const session = joined();
  session.receive([byAnother(1)]);
  session.submit(text());
  session.submit(remove(2));
  session.receive([logged(2, text(), remove(2))]);
  session.receive([welcome({ seq: 1 })]);
  assert.equal(session.pending.length, 2, "the server was killed and has lost both");
  assert.doesNotThrow(() => session.submit({ ...text(), gestureBack: 1 }), "the gesture of the deletion goes on");
});

test("what came before an error is seen", () => {
  const session = joined();
  session.receive([byAnother(1)]);
  const cseq = session.submit(remove(2));
  assert.throws(() => session.receive([{ type: "reject", cseq, reason: "noSuchElement" }, byAnother(9)]));
  assert.equal(Array.from(session.board.visible()).length, 1);
});

/** What a page keeps of a session, as another one finds it. */
const keptOf = (session) =>
  structuredClone({ epoch: session.epoch, author: session.author, clientId: session.identity.clientId, ...session.snapshot() });

function another(more) {
  return new Session({ ...identity(), ...more }, new SessionDelegate());
}

test("a board that was kept is seen without a server, with what is pending once", () => {
  const session = joined();
  session.submit(text("in the log"));
  session.receive([logged(1, text("in the log"))]);
  session.submit(text("not yet"));
  const operations = [{ cseq: 1, operation: text("in the log") }, { cseq: 2, operation: text("not yet") }];
  const later = another({ operations, nextCseq: 3, epoch: session.epoch });
  assert.equal(later.recall(keptOf(session)), true);
  assert.deepEqual(Array.from(later.board.visible(), ({ properties }) => properties.text), ["in the log", "not yet"]);
  assert.deepEqual(later.greeting()[0].seq, 1, "and it goes on from there");
  later.undo();
  later.receive([welcome({ seq: 1, cseq: 1 })]);
  assert.deepEqual(sent(later), [2, 3]);
});

test("a server that has lost what a kept board has gets it again from whoever drew it", () => {
  const session = joined();
  session.submit(text());
  session.receive([logged(1, text())]);
  const later = another({ operations: [{ cseq: 1, operation: text() }], nextCseq: 2 });
  later.recall(keptOf(session));
  later.receive([welcome({ epoch: "02".repeat(8) }), ...empty]);
  assert.deepEqual(sent(later), [1]);
  assert.equal(later.lost.length, 0, "it is not offered as well");
});

test("another client of the same browser sees a kept board as a stranger", () => {
  const session = joined();
  session.submit(text());
  session.receive([logged(1, text())]);
  const later = another({ clientId: "ff".repeat(16) });
  later.recall(keptOf(session));
  assert.equal(later.self, 0);
  assert.equal(later.board.history(later.self).undoable, undefined);
  later.submit(text());
  later.receive([welcome({ author: 2, seq: 1 })]);
  assert.deepEqual(sent(later), [1]);
});

test("a kept board gives way to what is here, and is none for ink of another lineage", () => {
  const kept = keptOf(joined());
  assert.equal(joined().recall(kept), false);
  assert.equal(another({ epoch: "02".repeat(8), operations: [] }).recall(kept), false);
});

test("much that is sent at once goes in messages that fit", () => {
  const session = joined();
  for (let at = 0; at < 40; at++) session.submit(text("ü".repeat(2000)));
  const messages = session.takeMessages();
  assert.ok(messages.length > 4);
  assert.equal(messages.flatMap(({ operations }) => operations).length, 40);
});

test("all that a session tells is there on its delegate, so that whoever wants only some of it extends that", () => {
  const source = readFileSync(new URL("../../static/js/session/session.js", import.meta.url), "utf8");
  const told = new Set(Array.from(source.matchAll(/this\.delegate\.(\w+)\(/g), ([, name]) => name));
  const known = Object.getOwnPropertyNames(SessionDelegate.prototype);
  assert.ok(told.size > 10, `${told.size} are told`);
  assert.deepEqual([...told].filter((name) => !known.includes(name)), []);
});
