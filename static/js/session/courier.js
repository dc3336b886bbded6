// Brings to the server what a tab has left behind that will not come back, under the client id that it had.

import { Connection } from "./connection.js";
import { Session, SessionDelegate } from "./session.js";

export class Courier extends SessionDelegate {
  /**
   * @param {string} url
   * @param {any} identity with the operations that were left behind
   * @param {any} box where they are kept
   * @param {any} credentials what the tab that brings them has to show
   */
  constructor(url, identity, box, credentials) {
    super();
    this.session = new Session(identity, this);
    this.session.credentials = credentials;
    this.box = box;
    this.connection = new Connection(url, this);
  }

  start() {
    this.connection.start();
  }

  // Session delegate

  hasMessages() {
    queueMicrotask(() => {
      for (const message of this.session.takeMessages()) this.connection.send([message]);
    });
  }

  progressChanged() {
    const { pending, received, storage, isCaughtUp } = this.session;
    const isSafe = received.length === 0 || storage === "memory";
    if (!isCaughtUp || pending.length > 0) return;
    // Nobody goes on with a stroke that was being drawn when its tab died.
    if (this.session.isDrawing) this.session.endLiveStrokes();
    else if (isSafe) this.connection?.stop();
  }

  operationsLetGo(first, last) {
    this.box.letGo(first, last);
  }

  operationsReplaced(operations) {
    this.box.replace(operations, this.session.epoch);
  }

  toldGoodbye({ reason, retryMs }) {
    if (reason === "restart") this.connection.retryAfter(retryMs);
    else if (reason === "malformed") this.session.wasMalformed();
    else this.connection.stop();
  }

  operationKept(cseq, operation) {
    this.box.keep(cseq, operation, this.session.epoch);
  }

  /** Where nothing may be drawn now, it stays kept for a tab that comes when it may. */
  accessChanged() {
    if (!this.session.access.draws) this.connection.stop();
  }

  /** What is not taken is offered to whoever opens the board next. */
  copiesHeld(all) {
    for (const held of all) this.box.hold(held);
  }

  slowedDown(ms) {
    this.connection.goesUnread(ms);
  }

  // Connection delegate

  packetFailed() {}

  firstMessages() {
    return this.session.greeting();
  }

  receivedMessages(messages) {
    this.session.receive(messages);
  }

  stateChanged(state) {
    if (state !== "online") this.session.left();
  }
}
