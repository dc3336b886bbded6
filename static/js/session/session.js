// A person's session on a board: the board of the log, the own operations on their way on top of it, and who is here.
// It knows no socket, clock or DOM: messages go in and come out.
//
// Safety: an operation is let go only when the log has it at or below the durable mark, or the server rejected it.
// Liveness: after every welcome, all that the server does not have is sent again with the numbers it had.

import { Board } from "../board/board.js";
import { copyOf, drawCopies } from "../board/copies.js";
import { Rejected, keyOf } from "../board/element.js";
import { Gesture } from "../board/gesture.js";
import { restored, snapshotOf } from "../board/snapshot.js";
import { NO_EPOCH, greeting } from "../protocol/greeting.js";
import { OPERATIONS } from "../protocol/limits.js";

/** Operations that draw something that is finished with them. */
const FINISHED = ["shape", "text", "note", "picture"];
/** Messages that change neither the log nor what is pending on top of it. */
const BESIDE_THE_LOG = new Set(["presence", "mark", "pong", "slowDown", "storage", "access", "image"]);
/** Changes of presence that happen many times a second. */
const MOVEMENTS = new Set(["cursor", "laser", "view", "draft", "writing"]);
/** Operations of the log between two comparisons of state hashes with the server. */
const CHECK_EVERY = 256;
/** Weight of one message when much is sent, in bytes that it may take at most: well below the limit of a packet. */
const MESSAGE_WEIGHT = 32 * 1024;

/** The session tells the page by these methods. Each is called: a delegate that needs some of them extends this. */
export class SessionDelegate {
  /** Elements look different now: those of some keys, or all. @param {Set<string> | undefined} keys */
  elementsChanged(keys) {}
  /** Somebody came, went, or moved the pointer. @param {boolean} _isOnlyMovement whether it was only that */
  peopleChanged(_isOnlyMovement) {}
  /** The number of operations that the server does not have, or may be undone, has changed. */
  progressChanged() {}
  /** An operation must be kept until it is let go. @param {number} cseq @param {object} operation */
  operationKept(cseq, operation) {}
  /** Operations need not be kept any more, from one client sequence number to another. */
  operationsLetGo(first, last) {}
  /** These are the operations to keep, and no others. @param {{ cseq: number, operation: object }[]} operations */
  operationsReplaced(operations) {}
  /** Own elements that were on the board are not on the one that the server has now. @param {number} count */
  inkWasLost(count) {}
  /** Copies of own elements are nowhere else: they must be kept until they are let go. @param {Held[]} held */
  copiesHeld(held) {}
  /** One of them is on the board again, or not wanted. @param {Held} held */
  copyLetGo(held) {}
  /** The server did not do an operation. @param {string} reason */
  operationRejected(reason) {}
  /** Own elements that the server did not take because nothing may be drawn now. @param {number} count */
  inkWasHeld(count) {}
  /** This person may do something else now. */
  accessChanged() {}
  /** Somebody drags a shape out, or does no longer. @param {number} author @param {object} [shape] */
  draftChanged(author, shape) {}
  /** Somebody writes a text, or does no longer. @param {number} author @param {object} [text] */
  writingChanged(author, text) {}
  /** Somebody looks at another part of the board. */
  viewChanged() {}
  /** Somebody shows something for a moment. @param {number} author @param {string} reaction */
  reacted(author, reaction) {}
  /** The server answers what a person has asked: `link`, `rules`, `audit`, `past` and so on. @param {any} message */
  answered(message) {}
  /** Less should be sent for a while. @param {number} ms */
  slowedDown(ms) {}
  /** The server ends the connection. @param {{ reason: string, retryMs: number, text: string }} bye */
  toldGoodbye(bye) {}
  /** The server says what became of the bytes of a picture. @param {{ image: string, state: string }} answer */
  imageAnswered(answer) {}
  /** A laser points somewhere. @param {number} author @param {number[]} at */
  laserShone(author, at) {}
  /** There is something to send. */
  hasMessages() {}
}

/** Why the server does not take what is drawn now and may take it later. */
const HELD = ["readOnly", "boardLocked", "muted", "boardFull"];
/** What ends something that was begun is always taken. */
const ENDS = ["end", "cancel"];

/** @typedef {{ role: string, draws: boolean, locked: boolean, muted: boolean, hosted: boolean }} Access what a person may do */

/** @typedef {{ clientId: string, cseq: number, copy: any }} Held a copy of what a client drew, which is not on the board */

/** @typedef {{ cseq: number, operation: any }} Numbered an operation with its client sequence number */

/** @typedef {Numbered & { seq: number }} Received one that is in the log, and up to which operation the log was then */

export class Session {
  /**
   * @param {{ clientId: string, nextCseq: number, name: string, colour: string, epoch?: string,
   *   operations?: Numbered[] }} identity with
   *   the operations that an earlier page of the same client has left behind
   * @param {SessionDelegate} delegate
   */
  constructor(identity, delegate) {
    this.identity = identity;
    this.delegate = delegate;
    this.nextCseq = identity.nextCseq;
    this.epoch = NO_EPOCH;
    this.author = undefined;
    this.log = new Board();
    this.board = new Board(this.log);
    /** Operations that the log does not have. @type {Numbered[]} */
    this.pending = identity.operations ?? [];
    /** Operations that are in the log and not durable, with where they are. @type {Received[]} */
    this.received = [];
    this.mark = 0;
    /** Where the server keeps what is drawn, once it has said so. */
    this.storage = undefined;
    this.joined = false;
    this.sentCseq = 0;
    this.isCareful = false;
    /** What this client has to show: the secret of a link, that of its browser, a password. */
    this.credentials = { password: "" };
    /** @type {Access} */
    this.access = { role: "editor", draws: true, locked: false, muted: false, hosted: false };
    /** How many operations were sent more than once. */
    this.resent = 0;
    /** @type {Map<number, { name: string, colour: string, at?: number[], view?: number[], role?: string, draws?: boolean, muted?: boolean, hand?: boolean }>} */
    this.people = new Map();
    this.#rebase();
  }

  /** The author number that own operations have on top of the log: before the first welcome, one that nobody has. */
  get self() {
    return this.author ?? 0;
  }

  /** Whether everything that was in the log when this client was welcomed is here. */
  get isCaughtUp() {
    return this.joined && this.log.seq >= this.#welcomedAt;
  }

  #welcomedAt = 0;

  /** Whether somebody who is here is drawing it: what is left of others stays as it is, and is a stroke like any other. */
  isBeingDrawn({ live, author }) {
    return live !== undefined && (author === this.self || this.people.has(author));
  }

  /** The connection is lost: who else is here is not known any more. */
  left() {
    this.joined = false;
    for (const author of this.people.keys()) if (author !== this.author) this.people.delete(author);
    this.delegate.peopleChanged(false);
  }

  /** The first messages of a connection. */
  greeting() {
    this.joined = false;
    const [epoch, seq] = this.#wantsSnapshot ? [NO_EPOCH, 0] : [this.epoch, this.log.seq];
    return greeting(this.identity, this.credentials, { epoch, seq, hash: this.log.hash.toString() });
  }

  /** Does something now, and sends it. Gives back its client sequence number; throws {@link Rejected}. */
  submit(operation) {
    if (!this.access.draws && !ENDS.includes(operation.type)) throw new Rejected(this.whyNot);
    const cseq = this.nextCseq;
    this.board.submit(this.self, cseq, operation);
    this.nextCseq += 1;
    this.pending.push({ cseq, operation });
    this.delegate.operationKept(cseq, operation);
    this.#tell();
    if (this.joined) this.delegate.hasMessages();
    return cseq;
  }

  /** Why nothing that this person draws is taken now. */
  get whyNot() {
    const { muted, role } = this.access;
    if (muted) return "muted";
    return role === "viewer" ? "readOnly" : "boardLocked";
  }

  #mostSent = 0;

  /** What would not be taken now is kept until it is; ending what was begun always is. */
  get #waitsForPen() {
    const needsPen = ({ operation }) => ![...ENDS, "points"].includes(operation.type);
    return !this.access.draws && this.pending.some(needsPen);
  }

  /** The messages that carry what has not been sent on this connection. */
  takeMessages() {
    if (!this.joined || this.#waitsForPen) return [];
    const next = this.isCareful ? this.pending.slice(0, 1) : this.pending;
    const unsent = next.filter(({ cseq }) => cseq > this.sentCseq);
    this.sentCseq = unsent.at(-1)?.cseq ?? this.sentCseq;
    this.resent += unsent.filter(({ cseq }) => cseq <= this.#mostSent).length;
    this.#mostSent = Math.max(this.#mostSent, this.sentCseq);
    return [...inRuns(unsent), ...this.#check()];
  }

  /** Now and then, the state hash: where it is not the server's, a snapshot comes. */
  #check() {
    const { seq, hash } = this.log;
    if (this.#isStale || this.#isOutdated || seq < this.#checkedAt + CHECK_EVERY) return [];
    this.#checkedAt = seq;
    return [{ type: "check", seq, hash: hash.toString() }];
  }

  #checkedAt = 0;
  #isOutdated = false;

  /**
   * The server could not even read a packet. From now on one operation is sent at a time; when that is refused too, it is
   * the one, and it is let go, so that everything behind it arrives.
   *
   * @returns {boolean} whether an operation was let go
   */
  wasMalformed() {
    const isFound = this.isCareful && this.pending.length > 0;
    if (isFound) this.#letGo(/** @type {Numbered} */ (this.pending.shift()).cseq);
    this.isCareful = true;
    return isFound;
  }

  /** Whether this person has a stroke that is not finished. */
  get isDrawing() {
    return this.board.liveSlots(this.self).length > 0;
  }

  /** Ends the strokes that this person was drawing: the page goes away. */
  endLiveStrokes() {
    for (const slot of this.board.liveSlots(this.self)) this.submit({ type: "end", slot });
  }

  /** Draws anew what {@link SessionDelegate.inkWasLost} or {@link SessionDelegate.inkWasHeld} told of, as one gesture. */
  putBack() {
    const gesture = new Gesture({ session: this });
    while (this.lost.length > 0) {
      drawCopies(gesture, [this.lost[0].copy], (group) => group);
      this.delegate.copyLetGo(/** @type {Held} */ (this.lost.shift()));
    }
  }

  /** What was lost is not wanted any more. */
  leaveLost() {
    for (const held of this.lost.splice(0)) this.delegate.copyLetGo(held);
  }

  /** Own elements that the server does not have any more or did not take. @type {Held[]} */
  lost = [];

  #keepBack(elements) {
    const { clientId } = this.identity;
    const held = elements.map((element) => ({ clientId, cseq: element.cseq, copy: copyOf(element) }));
    this.lost.push(...held);
    if (held.length > 0) this.delegate.copiesHeld(held);
  }

  #atRisk = [];

  undo() {
    const gesture = this.board.history(this.self).undoable;
    if (gesture !== undefined) this.submit({ type: "undo", gesture });
  }

  redo() {
    const gesture = this.board.history(this.self).redoable;
    if (gesture !== undefined) this.submit({ type: "redo", gesture });
  }

  /** Takes a packet of the server; throws where it does not follow from what came before, and then wants a snapshot. */
  receive(messages) {
    this.finished = [];
    try {
      for (const message of messages) this.#handlers[message.type]?.(message);
      this.#settle();
      if (!messages.every(({ type }) => BESIDE_THE_LOG.has(type))) this.#rebase();
      this.#tell();
    } catch (error) {
      this.#wantsSnapshot = true;
      // What came before the error is in the log: what is seen stands on it.
      this.#rebase();
      throw error;
    }
    if (this.joined) this.delegate.hasMessages();
  }

  /** Keys of the elements that are drawn to their end by what came last. @type {string[]} */
  finished = [];

  #replay(seq, entry) {
    const { author, operation: { type, slot } } = entry;
    const stroke = type === "end" ? this.log.liveKey(author, slot) : undefined;
    const cseq = this.log.replay(seq, entry);
    if (stroke) this.finished.push(stroke);
    if (FINISHED.includes(type)) this.finished.push(keyOf(author, cseq));
  }

  /** The next hello asks for a snapshot instead of what follows the log. Own operations stay. */
  #wantsSnapshot = false;
  #everythingChanged = false;
  /** The log has what the server had not written when it was killed: a snapshot will come. */
  #isStale = false;
  /** A snapshot of which parts have come. @type {any} */
  #arriving = undefined;

  #handlers = {
    welcome: (message) => this.#welcome(message),
    snapshot: ({ seq, authors }) => {
      this.#arriving = { seq, board: Board.arriving({ authors }) };
    },
    elements: ({ elements }) => {
      // Each part at once, while the next one is on its way: and what it was read into can go then.
      this.#arriving.board.take(elements);
    },
    snapshotEnd: ({ hash }) => {
      const { seq, board } = this.#arriving;
      board.arrived({ seq, hash });
      this.log = board;
      this.#isStale = false;
      this.#findLost();
      this.#arriving = undefined;
      this.#wantsSnapshot = false;
      this.#everythingChanged = true;
    },
    operations: ({ firstSeq, entries }) => {
      // A board on which something cannot be shown has another hash, and that is no mistake.
      this.#isOutdated ||= entries.some(({ operation }) => operation.type === "unknown");
      entries.forEach((entry, at) => {
        // A flush that straddles the position of a reconnect repeats what is known.
        if (firstSeq + at > this.log.seq) this.#replay(firstSeq + at, entry);
      });
    },
    presence: ({ all, changes }) => this.#presence(all, changes),
    mark: ({ seq }) => {
      this.mark = Math.max(this.mark, seq);
    },
    storage: ({ state }) => {
      this.storage = state;
    },
    access: ({ role, draws, locked, muted, hosted }) => {
      this.access = { role, draws, locked, muted, hosted };
      this.delegate.accessChanged();
    },
    slowDown: ({ ms }) => this.delegate.slowedDown(ms),
    link: (message) => this.delegate.answered(message),
    rules: (message) => this.delegate.answered(message),
    audit: (message) => this.delegate.answered(message),
    notDone: (message) => this.delegate.answered(message),
    past: (message) => this.delegate.answered(message),
    chronicle: (message) => this.delegate.answered(message),
    authors: (message) => this.delegate.answered(message),
    branched: (message) => this.delegate.answered(message),
    reject: ({ cseq, reason }) => {
      if (HELD.includes(reason)) this.#hold(cseq);
      this.#letGo(cseq);
      this.pending = this.pending.filter((operation) => operation.cseq !== cseq);
      this.delegate.operationRejected(reason);
    },
    image: (answer) => this.delegate.imageAnswered(answer),
    bye: (bye) => this.delegate.toldGoodbye(bye),
  };

  /** The board of the log, to be kept for {@link Session.recall}. */
  snapshot() {
    return snapshotOf(this.log);
  }

  /**
   * Goes on from what a page of this browser had seen, until the server says how it is. Says whether it does: not where a log is
   * here already, or what is pending was drawn on the board of another lineage. Throws where what was kept is damaged.
   *
   * @param {{ epoch: string, author: number, clientId: string } & import("../board/snapshot.js").Snapshot} kept
   */
  recall({ epoch, author, clientId, ...snapshot }) {
    const drewIn = this.identity.epoch ?? NO_EPOCH;
    if (this.epoch !== NO_EPOCH || (drewIn !== NO_EPOCH && drewIn !== epoch)) return false;
    this.log = restored(snapshot);
    this.epoch = epoch;
    // Another client of this browser is another author.
    if (clientId === this.identity.clientId) this.author = author;
    this.#settle();
    this.#everythingChanged = true;
    this.#rebase();
    this.#tell();
    return true;
  }

  #welcome({ author, epoch, seq, cseq, mark }) {
    this.#welcomedAt = seq;
    const missing = this.received.filter((it) => it.cseq > cseq);
    // A server that lost what others drew has a shorter log: what it still has of this one is at or below its end.
    this.received = this.received.filter((it) => it.cseq <= cseq).map((it) => ({ ...it, seq: Math.min(it.seq, seq) }));
    this.pending = [...missing, ...this.pending].map((it) => ({ cseq: it.cseq, operation: it.operation }));
    this.#renumber(cseq);
    if (epoch !== this.epoch) this.#changeEpoch(epoch, seq);
    this.author = author;
    this.#isStale = this.log.cseq(author) > cseq;
    this.mark = mark;
    this.joined = true;
    this.sentCseq = cseq;
    this.nextCseq = Math.max(this.nextCseq, cseq + 1);
  }

  /**
   * Before the first welcome a page numbers from what it knows. Where the server has more of this client, what was drawn
   * meanwhile gets numbers behind that, or it would be taken for what is there.
   */
  #renumber(cseq) {
    const first = this.identity.nextCseq;
    const by = cseq + 1 - first;
    this.identity.nextCseq = 0;
    if (first === 0 || by <= 0 || !this.pending.some((it) => it.cseq >= first)) return;
    const moved = (number) => (number >= first ? number + by : number);
    const reference = (it) => (it.author === 0 ? { ...it, cseq: moved(it.cseq) } : it);
    this.pending = this.pending.map(({ cseq, operation }) => {
      const it = { ...operation };
      if (it.gesture !== undefined) it.gesture = moved(it.gesture);
      if (it.element) it.element = reference(it.element);
      if (it.elements) it.elements = it.elements.map(reference);
      return { cseq: moved(cseq), operation: it };
    });
    this.nextCseq += by;
    this.delegate.operationsReplaced(this.pending);
  }

  /**
   * The log is of another lineage: nothing that it said before counts, and own operations are sent again. They let go of
   * other people's elements, because author numbers may have changed. What the server has of this client is somewhere in that log.
   */
  #changeEpoch(epoch, seq) {
    const drewIn = this.epoch === NO_EPOCH ? this.identity.epoch : this.epoch;
    if (drewIn !== undefined && drewIn !== NO_EPOCH && drewIn !== epoch) {
      this.pending = ownOnly(this.pending);
      this.delegate.operationsReplaced(this.pending);
    }
    if (this.epoch !== NO_EPOCH) {
      const isOwn = (element) => element.author === this.author && element.live === undefined;
      this.#atRisk.push(...Array.from(this.log.visible()).filter(isOwn));
    }
    this.received = this.received.map((it) => ({ ...it, seq }));
    this.#checkedAt = 0;
    this.log = new Board();
    this.epoch = epoch;
    this.#everythingChanged = true;
  }

  /** What was durable in an earlier lineage and is not in this one is offered to its author. */
  #findLost() {
    // On a board that was imported everybody has a new number, and elements have their old ones.
    const isThere = ({ key, cseq, seq }) =>
      this.log.element(key)?.seq === seq ||
      this.log.element(keyOf(this.author, cseq)) ||
      this.pending.some((it) => it.cseq === cseq);
    const gone = this.#atRisk.splice(0).filter((element) => !isThere(element));
    this.#keepBack(gone);
    if (gone.length > 0) this.delegate.inkWasLost(this.lost.length);
  }

  /** An element that is not taken now stays with whoever drew it, to be put back when it may be. */
  #hold(cseq) {
    const element = this.board.element(keyOf(this.self, cseq));
    if (!element?.visible) return;
    this.#keepBack([element]);
    this.delegate.inkWasHeld(this.lost.length);
  }

  #letGo(first, last = first) {
    this.delegate.operationsLetGo(first, last);
  }

  /** What the log has is no longer pending; what is durable is let go. */
  #settle() {
    if (this.#isStale) return;
    const inLog = this.log.cseq(this.self);
    while (this.pending.length > 0 && this.pending[0].cseq <= inLog) {
      this.received.push({ .../** @type {Numbered} */ (this.pending.shift()), seq: this.log.seq });
    }
    if (this.received.length > 0 && this.received[0].seq <= this.mark) {
      const durable = this.received.filter(({ seq }) => seq <= this.mark);
      this.received = this.received.slice(durable.length);
      this.#letGo(durable[0].cseq, durable[durable.length - 1].cseq);
    }
    this.isCareful &&= this.pending.length > 0;
  }

  /** Puts what is pending on top of the log anew: what is seen is always the log and then one's own operations. */
  #rebase() {
    const changed = new Set([...this.log.changed, ...this.board.elements.keys()]);
    this.log.changed.clear();
    this.board = new Board(this.log);
    const inLog = this.log.cseq(this.self);
    for (const { cseq, operation } of this.pending) {
      // A log that is stale has what the server has lost: it is seen already.
      if (cseq <= inLog) continue;
      try {
        this.board.submit(this.self, cseq, operation);
      } catch (error) {
        // The log has overtaken it; the server will reject it too.
        if (!(error instanceof Rejected)) throw error;
      }
    }
    for (const key of changed) this.board.changed.add(key);
  }

  #presence(all, changes) {
    if (all) this.people.clear();
    for (const { type, author, name, colour, at, view, reaction, shape, text, ...standing } of changes) {
      const person = this.people.get(author);
      if (type === "here") this.people.set(author, { ...person, name, colour });
      else if (type === "gone") this.people.delete(author);
      else if (!person) continue;
      else if (type === "view") this.#looksAt(person, view);
      else if (type === "standing") Object.assign(person, standing);
      else if (type === "draft") this.delegate.draftChanged(author, shape);
      else if (type === "writing") this.delegate.writingChanged(author, text);
      else if (type === "reaction") this.delegate.reacted(author, reaction);
      else person.at = at;
      if (type === "laser") this.delegate.laserShone(author, at);
    }
    this.delegate.peopleChanged(!all && changes.every(({ type }) => MOVEMENTS.has(type)));
  }

  #looksAt(person, view) {
    person.view = view;
    this.delegate.viewChanged();
  }

  #tell() {
    const { changed } = this.board;
    this.board.changed = new Set();
    if (this.#everythingChanged) {
      this.#everythingChanged = false;
      this.delegate.elementsChanged(undefined);
    } else if (changed.size > 0) {
      this.delegate.elementsChanged(changed);
    }
    this.delegate.progressChanged();
  }
}

/**
 * The operations without what they say of other people's elements. A gesture whose first operation is let go begins with
 * its next one, and what is undone and redone is that.
 *
 * @param {Numbered[]} operations
 */
export function ownOnly(operations) {
  const letGo = new Set();
  const moved = new Map();
  const kept = [];
  for (const { cseq, operation } of operations) {
    const { gestureBack, gesture } = operation;
    const own = withoutOthers(operation);
    const begins = gestureBack === undefined ? undefined : cseq - gestureBack;
    if (!own || letGo.has(gesture)) {
      if (begins === cseq) letGo.add(cseq);
      continue;
    }
    if (letGo.has(begins)) {
      letGo.delete(begins);
      moved.set(begins, cseq);
    }
    if (moved.has(begins)) own.gestureBack = cseq - moved.get(begins);
    if (moved.has(gesture)) own.gesture = moved.get(gesture);
    kept.push({ cseq, operation: own });
  }
  return kept;
}

/** A copy of an operation without other people's elements; `undefined` where nothing is left of it. */
function withoutOthers(operation) {
  const isOfAll = operation.type === "clear" || (operation.type === "clearAuthor" && operation.author > 0);
  if (isOfAll || operation.element?.author > 0) return undefined;
  if (!operation.elements) return { ...operation };
  const elements = operation.elements.filter(({ author }) => author === 0);
  return elements.length > 0 ? { ...operation, elements } : undefined;
}

/** Operations with dense numbers go into one message, as long as it is not too heavy. */
function inRuns(operations) {
  const messages = [];
  let weight = 0;
  for (const { cseq, operation } of operations) {
    const run = messages.at(-1);
    const follows = run && run.firstCseq + run.operations.length === cseq;
    weight += weightOf(operation);
    if (follows && run.operations.length < OPERATIONS && weight < MESSAGE_WEIGHT) {
      run.operations.push(operation);
    } else {
      messages.push({ type: "operations", firstCseq: cseq, operations: [operation] });
      weight = weightOf(operation);
    }
  }
  return messages;
}

/** The bytes that an operation may take at most. */
function weightOf({ steps, elements, text, property }) {
  const letters = (text ?? property?.text ?? "").length;
  return 64 + (steps?.length ?? 0) * 16 + (elements?.length ?? 0) * 16 + letters * 3;
}
