// A gesture: operations that are undone as one. And what tools, commands and copies do to elements by it. Pure.

import { DELETIONS, LIVE_SLOTS } from "../protocol/limits.js";

/** What is submitted through one of these is undone as one. */
export class Gesture {
  /** @param {{ session: import("../session/session.js").Session }} context */
  constructor({ session }) {
    this.session = session;
    /** The client sequence number of its first operation. @type {number | undefined} */
    this.first = undefined;
  }

  /** Does something as part of the gesture; gives back its client sequence number. Throws `Rejected`. */
  submit(operation) {
    const { session } = this;
    // Something else may have been begun meanwhile: then this goes on as another gesture.
    const { first } = this;
    const joins = first !== undefined && session.board.history(session.self).mayJoin(first);
    const cseq = session.submit({ ...operation, gestureBack: first !== undefined && joins ? session.nextCseq - first : 0 });
    if (!joins) this.first = cseq;
    return cseq;
  }

  /** Does something that has no gesture of its own: more of a stroke. */
  goOn(operation) {
    return this.session.submit(operation);
  }

  /** Takes everything back, as if it had not been meant. */
  takeBack() {
    const { session } = this;
    if (this.first !== undefined && session.board.history(session.self).mayJoin(this.first)) {
      session.submit({ type: "undo", gesture: this.first });
    }
    /** The client sequence number of its first operation. @type {number | undefined} */
    this.first = undefined;
  }
}

/** How an operation of this session names an element. */
export const referenceTo = ({ author, cseq }, session) => ({ author: author === session.self ? 0 : author, cseq });

/** Gives an element's property a new value. */
export function patch(gesture, element, property) {
  return gesture.submit({ type: "patch", element: referenceTo(element, gesture.session), property });
}

/** Deletes elements, as many in one operation as may be. */
export function deleteAll(gesture, elements) {
  const names = elements.map((element) => referenceTo(element, gesture.session));
  for (let from = 0; from < names.length; from += DELETIONS) {
    gesture.submit({ type: "delete", elements: names.slice(from, from + DELETIONS) });
  }
}

/** A slot that no live stroke of this person has; there are as many as fingers of two hands but two. */
export function freeSlot({ board, self }) {
  const taken = board.liveSlots(self);
  return Array.from({ length: LIVE_SLOTS }, (_, slot) => slot).find((slot) => !taken.includes(slot)) ?? 0;
}
