// The offer of ink that is not on the board: because the server lost it, or because it could not be drawn when it came.

import { t } from "../state/language.js";

const at = (id) => /** @type {any} */ (document.querySelector(id));

export class Offer {
  /**
   * @param {import("../session/session.js").Session} session
   * @param {(act: () => void) => void} attempt
   */
  constructor(session, attempt) {
    this.session = session;
    this.attempt = attempt;
  }

  start() {
    at("#offer-take").addEventListener("click", () => this.#answered(() => this.session.putBack()));
    at("#offer-leave").addEventListener("click", () => this.#answered(() => this.session.leaveLost()));
  }

  /** Offers ink again that was not taken when this browser was here last. @param {import("../session/session.js").Held[]} held */
  offerAgain(held) {
    this.session.lost.push(...held);
    if (held.length > 0) this.inkWasHeld();
  }

  inkWasHeld() {
    this.#show("heldInk");
  }

  inkWasLost() {
    this.#show("lostInk");
  }

  accessChanged() {
    if (this.session.access.draws) at("#offer-take").hidden = false;
  }

  #show(words) {
    at("#offer-text").textContent = t(words, { count: this.session.lost.length });
    at("#offer-take").hidden = !this.session.access.draws;
    at("#offer").hidden = false;
  }

  #answered(act) {
    at("#offer").hidden = true;
    this.attempt(act);
    if (this.session.lost.length > 0) this.inkWasHeld();
  }
}
