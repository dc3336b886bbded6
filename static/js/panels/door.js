// The door: says why somebody is not let in, or no longer, and what to do about it.

import { t } from "../state/language.js";
import { openSheet } from "./controls.js";

/** Reasons of the server that another try can change. */
const WORTH_A_TRY = ["passwordNeeded", "tooManyTries", "removed", "full", "tooManyBoards"];

export class Door {
  /**
   * @param {{ knock: (password: string) => void, comeWithoutLink: () => void, hasLink: boolean }} context
   */
  constructor(context) {
    this.context = context;
    this.sheet = /** @type {HTMLDialogElement} */ (document.querySelector("#door"));
    this.field = /** @type {HTMLInputElement} */ (document.querySelector("#door-password"));
    this.wait = 0;
    /** Whether a password was tried that did not open it. */
    this.hasTried = false;
  }

  start() {
    document.querySelector("#door-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.sheet.close();
      this.hasTried = this.field.value !== "";
      this.context.knock(this.field.value);
    });
    document.querySelector("#door-without").addEventListener("click", () => {
      this.sheet.close();
      this.context.comeWithoutLink();
    });
  }

  /** @param {string} reason one of `KEPT_OUT` (`entry.js`) @param {number} retryMs */
  show(reason, retryMs) {
    const { hasLink } = this.context;
    // Somebody who came without a link has none that could be wrong.
    const why = reason === "forbidden" && !hasLink ? "uninvited" : reason;
    document.querySelector("#door-title").textContent = t(`door.${why}`, { count: Math.ceil(retryMs / 1000) });
    const isWrong = reason === "passwordNeeded" && this.hasTried;
    document.querySelector("#door-what").textContent = t(isWrong ? "door.passwordWrong.what" : `door.${why}.what`);
    const asks = reason === "passwordNeeded" || reason === "tooManyTries";
    /** @type {HTMLElement} */ (this.field.parentElement).hidden = !asks;
    const again = /** @type {HTMLButtonElement} */ (document.querySelector("#door-again"));
    again.hidden = !WORTH_A_TRY.includes(reason);
    again.disabled = retryMs > 0;
    clearTimeout(this.wait);
    if (retryMs > 0) this.wait = setTimeout(() => (again.disabled = false), retryMs);
    const isOfLink = hasLink && ["forbidden", "expired"].includes(reason);
    /** @type {HTMLElement} */ (document.querySelector("#door-without")).hidden = !isOfLink;
    openSheet(this.sheet);
    this.field.value = "";
  }

  /** This person was let in. */
  accessChanged() {
    this.hasTried = false;
    if (this.sheet.open) this.sheet.close();
  }
}
