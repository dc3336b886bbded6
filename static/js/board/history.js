// What of an author's gestures can be undone and redone; the page's copy of server/board/src/history.rs.

import { UNDO_DEPTH } from "../protocol/limits.js";

/** An author's gestures, oldest first: `{ id, undone, touched }`, where `touched` holds keys of elements. */
export class History {
  constructor(gestures = []) {
    this.gestures = gestures;
  }

  copy() {
    return new History(this.gestures.map((gesture) => ({ ...gesture, touched: new Set(gesture.touched) })));
  }

  find(id) {
    // Mostly it is asked for the latest, or on a large board for one that is older than all: their numbers rise.
    if (id < this.gestures[0]?.id) return undefined;
    for (let at = this.gestures.length - 1; at >= 0; at--) if (this.gestures[at].id === id) return this.gestures[at];
    return undefined;
  }

  isUndone(id) {
    return this.find(id)?.undone ?? false;
  }

  mayJoin(id) {
    const latest = this.gestures.at(-1);
    return latest !== undefined && latest.id === id && !latest.undone;
  }

  /** Begins a gesture and gives back those that now stand for good. */
  open(id) {
    const settled = this.gestures.filter((gesture) => gesture.undone);
    this.gestures = this.gestures.filter((gesture) => !gesture.undone);
    this.gestures.push({ id, undone: false, touched: new Set() });
    if (this.gestures.length > UNDO_DEPTH) settled.push(this.gestures.shift());
    return settled;
  }

  touch(id, key) {
    this.find(id)?.touched.add(key);
  }

  /** A gesture has never been. */
  retract(id) {
    this.gestures = this.gestures.filter((gesture) => gesture.id !== id);
  }

  /** Turns a gesture over and gives back the keys of what it touched; `undefined` where that cannot be. */
  turn(id, undone) {
    const gesture = this.find(id);
    if (!gesture || gesture.undone === undone) return undefined;
    gesture.undone = undone;
    return gesture.touched;
  }

  /** The gesture that undo would take back now. */
  get undoable() {
    return this.gestures.findLast((gesture) => !gesture.undone)?.id;
  }

  /** The gesture that redo would do again now: the one undone last, which is the first behind what is done. */
  get redoable() {
    const done = this.gestures.findLastIndex((gesture) => !gesture.undone);
    return this.gestures[done + 1]?.id;
  }
}
