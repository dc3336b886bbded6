// Facts of the page: a value that one part owns and sets, and that others watch. Pure.

/** @template T */
export class Fact {
  /** @type {T} */
  #value;
  /** @type {Set<(value: T) => void>} */
  #watchers = new Set();

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  /** Sets the value, which only its owner does. An equal one is no news. @param {T} value */
  set(value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const act of this.#watchers) act(value);
  }

  /** Does something with each value that is set, at once. @param {(value: T) => void} act */
  watch(act) {
    this.#watchers.add(act);
  }
}

/** Does something once in each turn of the event loop in which any of some facts was set, behind what else is done in it. @param {Fact<any>[]} facts @param {() => void} act */
export function watch(facts, act) {
  let isDue = false;
  const notice = () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      act();
    });
  };
  for (const fact of facts) fact.watch(notice);
}
