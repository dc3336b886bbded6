// Sends to the server: one packet for all operations of one turn, and less often if the server asks for that.

/** A server that asks for more time gets so much of it at most, in milliseconds. */
const MOST_SLOWED = 2_000;

export class Outgoing {
  /**
   * @param {import("./session.js").Session} session
   * @param {import("./connection.js").Connection} connection
   * @param {(words: string) => void} say
   */
  constructor(session, connection, say) {
    this.session = session;
    this.connection = connection;
    this.say = say;
    this.isDue = false;
    this.slowedUntil = -Infinity;
  }

  /** Sends what the session has to say, behind what else is done in this turn. */
  sendSoon() {
    if (this.isDue) return;
    this.isDue = true;
    // A slowed client sends less often, and more at once; its own ink is seen here all the same.
    const wait = this.slowedUntil - performance.now();
    if (wait > 0) setTimeout(() => this.#sendDue(), wait);
    else queueMicrotask(() => this.#sendDue());
  }

  #sendDue() {
    this.isDue = false;
    this.sendNow();
  }

  sendNow() {
    for (const message of this.session.takeMessages()) this.connection.send([message]);
  }

  /** @param {number} ms for how long the server reads nothing */
  slowDown(ms) {
    this.slowedUntil = performance.now() + Math.min(ms, MOST_SLOWED);
    this.connection.goesUnread(ms);
  }

  /** Sends something that is not kept; returns whether there is a connection. @param {object} message */
  send(message) {
    return this.session.joined && this.connection.send([message]);
  }

  /** Sends something that a person asked for and that is not kept; says so without a connection. @param {object} message */
  ask(message) {
    const isSent = this.send(message);
    if (!isSent) this.say("notSent");
    return isSent;
  }
}
