// The network panel: how the connection is doing, in numbers that can be copied into a report.

import { t } from "../state/language.js";
import { openSheet } from "./controls.js";

/** While the panel is open, the round trip is measured so often, in milliseconds. */
const EVERY = 1_000;
/** Flushes that are looked back on, and the longest pause between two that belong to one stroke, in milliseconds. */
const FLUSHES = 60;
const PAUSE = 250;

export class Network {
  /**
   * @param {{ session: import("../session/session.js").Session, connection: import("../session/connection.js").Connection, say: (words: string) => void }} context
   */
  constructor(context) {
    this.context = context;
    this.sheet = /** @type {HTMLDialogElement} */ (document.querySelector("#network"));
    this.list = document.querySelector("#network-list");
    /** When the last flushes came. @type {number[]} */
    this.flushes = [];
    this.lost = 0;
  }

  start() {
    document.querySelector("#network-copy").addEventListener("click", () => this.#copy());
    this.sheet.addEventListener("close", () => clearInterval(this.timer));
  }

  open() {
    this.#show();
    this.context.connection.measure();
    this.timer = setInterval(() => {
      this.context.connection.measure();
      this.#show();
    }, EVERY);
    openSheet(this.sheet);
  }

  /** A packet of operations has come. */
  flushed() {
    this.flushes.push(performance.now());
    if (this.flushes.length > FLUSHES) this.flushes.shift();
  }

  /** The connection was lost. */
  wasLost() {
    this.lost += 1;
  }

  /** The middle one of the times between flushes while somebody draws, in milliseconds; `undefined` where nobody has. */
  get tickMs() {
    const gaps = this.flushes.slice(1).map((at, index) => at - this.flushes[index]);
    const within = gaps.filter((gap) => gap < PAUSE).sort((one, other) => one - other);
    return within[within.length >> 1];
  }

  /** What is shown, by the key of its words. */
  get numbers() {
    const { connection, session } = this.context;
    const ms = (number) => (number === undefined ? "–" : `${number.toFixed(1)} ms`);
    return {
      connectionState: connection.state,
      roundTrip: ms(connection.roundTripMs),
      unacknowledged: String(session.pending.length),
      undurable: String(session.pending.length + session.received.length),
      resends: String(session.resent),
      connectionsLost: String(this.lost),
      serverTick: ms(this.tickMs),
      sequenceNumber: String(session.log.seq),
      stateHash: session.log.hash.toString(),
    };
  }

  #show() {
    const lines = Object.entries(this.numbers).flatMap(([name, value]) => {
      const [term, number] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = t(name);
      number.textContent = value;
      return [term, number];
    });
    this.list.replaceChildren(...lines);
  }

  async #copy() {
    const { session } = this.context;
    const also = { storage: session.storage, people: session.people.size, browser: navigator.userAgent, at: new Date().toISOString() };
    const report = JSON.stringify({ ...this.numbers, ...also }, undefined, 2);
    try {
      await navigator.clipboard.writeText(report);
      this.context.say("reportCopied");
    } catch {
      this.context.say("clipboardForbidden");
    }
  }
}
