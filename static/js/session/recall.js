// Keeps a board as it was last seen on this device, and shows it where there is no server to ask.

import { forgetPictures } from "../device/offline.js";

export class Recall {
  /**
   * @param {{ session: import("./session.js").Session, outbox: import("../device/outbox.js").Outbox, boardName: string, recalled: () => void }} context
   *   `recalled` hears that the board is seen as it was kept on this device
   */
  constructor(context) {
    this.context = context;
    /** The lineage and sequence number of what is kept. */
    this.keptMoment = "";
    /** Whether this device was not let in: it keeps nothing until it is again. */
    this.isShutOut = false;
    this.wasAsked = false;
  }

  /** Keeps the board as the server has it, where that is not what is kept: while nobody waits for the next frame. */
  keep() {
    const { session, outbox, boardName } = this.context;
    const { epoch, author, identity } = session;
    if (session.joined) this.isShutOut = false;
    if (author === undefined || this.isShutOut || this.#moment === this.keptMoment) return;
    this.keptMoment = this.#moment;
    outbox.keepBoard({ board: boardName, epoch, author, clientId: identity.clientId, ...session.snapshot() });
  }

  get #moment() {
    const { epoch, log } = this.context.session;
    return `${epoch}:${log.seq}`;
  }

  /** Shows the board as it was kept: once, and only until the server says how it is. */
  async show() {
    if (this.wasAsked) return;
    this.wasAsked = true;
    const { session, outbox, boardName } = this.context;
    const kept = await outbox.board(boardName);
    try {
      if (kept && session.recall(kept)) this.context.recalled();
    } catch (error) {
      console.info("the board that was kept on this device cannot be shown:", error);
      this.forget();
    }
  }

  /** Drops what is kept, because this device is not let in any more. */
  forget() {
    const { outbox, boardName } = this.context;
    this.isShutOut = true;
    this.keptMoment = "";
    outbox.forgetBoard(boardName);
    forgetPictures(boardName);
  }
}
