// What of an author's gestures can be undone and redone; the page's copy of server/board/src/history.rs.

import { UNDO_DEPTH } from "../protocol/limits.js";

/** An author's gestures, oldest first: `{ id, undone, touched }`, where `touched` holds keys of elements. */
export class History {
  constructor(gestures = []) {
    this.gestures = gestures;
  }

  /** Gestures that no copy has as well: only these are changed in place. */
  #own = new WeakSet();

  /** Copies gestures only when one of the two changes them: a copy is made with every packet. */
  copy() {
    this.#own = new WeakSet();
    return new History(this.gestures.slice());
  }

  /** The gesture of a number, to be changed. */
  #change(id) {
    const gesture = this.find(id);
    if (!gesture || this.#own.has(gesture)) return gesture;
    const own = { ...gesture, touched: new Set(gesture.touched) };
    this.gestures[this.gestures.lastIndexOf(gesture)] = own;
    this.#own.add(own);
    return own;
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
    const gesture = { id, undone: false, touched: new Set() };
    this.#own.add(gesture);
    this.gestures.push(gesture);
    if (this.gestures.length > UNDO_DEPTH) settled.push(this.gestures.shift());
    return settled;
  }

  touch(id, key) {
    this.#change(id)?.touched.add(key);
  }

  /** A gesture has never been. */
  retract(id) {
    this.gestures = this.gestures.filter((gesture) => gesture.id !== id);
  }

  /** Turns a gesture over and gives back the keys of what it touched; `undefined` where that cannot be. */
  turn(id, undone) {
    if ((this.find(id)?.undone ?? undone) === undone) return undefined;
    const gesture = this.#change(id);
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
