// Says how the connection stands, and whether what was drawn here is sent and saved.

import { t } from "../state/language.js";

/** What an online page says, by where the server keeps what is drawn. */
const ONLINE = { memory: "live", disk: "saved", failing: "failing" };
/** After so many tries that never came to a connection, something must be in the way. */
const BLOCKED_AFTER = 4;

/** What coming back is called, by why one is away. */
const AGAIN = { deleted: "beginAnew", replaced: "drawHere" };

/** Saving is said only when it takes so long, in milliseconds: mostly it is done before anybody could read it. */
const SAVING_AFTER_MS = 600;

export class Status {
  constructor() {
    this.element = document.querySelector("#status");
    this.text = document.querySelector("#status-text");
    this.retry = document.querySelector("#status-retry");
    this.toast = document.querySelector("#toast");
    this.wasOnline = false;
    /** The state that was last shown. */
    this.failures = 0;
    this.unsent = 0;
    this.unsaved = 0;
    this.keeps = true;
    this.why = "replaced";
  }

  /** Why the page does not come back by itself: `replaced`, `deleted`, or what the door says. @param {string} why */
  stoppedBecause(why) {
    this.why = why;
    this.retry.textContent = t(AGAIN[why] ?? "comeIn");
  }

  /**
   * @param {string} state how the connection stands
   * @param {{ unsent: number, unsaved: number, storage?: string, failures?: number, keeps?: boolean }} ink how many operations the server does not have, how
   *   many are not on its disk, and where it keeps them; how often a connection has failed, and whether this browser keeps
   *   what is drawn
   */
  show(state, { unsent, unsaved, storage, failures = 0, keeps = true }) {
    this.wasOnline ||= state === "online";
    this.state = state;
    this.unsent = unsent;
    this.unsaved = unsaved;
    this.storage = storage;
    this.failures = failures;
    this.keeps = keeps;
    const { dataset } = this.element;
    // What is written anew is laid out anew, also where it says the same.
    for (const [name, value] of Object.entries({ state, unsent, unsaved, storage: storage ?? "" })) {
      if (dataset[name] !== String(value)) dataset[name] = value;
    }
    if (this.retry.hidden === (state === "stopped")) this.retry.hidden = state !== "stopped";
    this.#sayHowItStands(false);
    const isSaving = state === "online" && storage === "disk" && unsaved > 0;
    if (!isSaving) this.#stopTimer();
    else this.savingTimer ??= setTimeout(() => this.#sayHowItStands(true), SAVING_AFTER_MS);
  }

  #stopTimer() {
    clearTimeout(this.savingTimer);
    this.savingTimer = undefined;
  }

  #sayHowItStands(takesLong) {
    const words = this.#words(takesLong);
    if (words !== undefined && this.text.textContent !== words) this.text.textContent = words;
  }

  #words(takesLong) {
    if (this.state === "online") {
      const online = t(ONLINE[this.storage] ?? "live");
      if (this.storage !== "disk" || this.unsaved === 0) return online;
      // What is said now stays until saving has taken long.
      return takesLong || this.text.textContent !== online ? t("saving") : undefined;
    }
    if (this.state === "stopped") return t(this.why);
    const isBlocked = !this.wasOnline && this.failures >= BLOCKED_AFTER && navigator.onLine;
    if (isBlocked) return t(this.keeps ? "blocked" : "blockedUnkept");
    const isWaiting = this.state === "waiting" || this.wasOnline;
    if (isWaiting && !this.keeps && this.unsent > 0) return t("waitingUnkept");
    if (isWaiting && this.unsent > 0 && this.state === "waiting") return t("waitingToSend", { count: this.unsent });
    return t(isWaiting ? "waiting" : "connecting");
  }

  /** What is shown last is on top, also of a sheet. */
  #raise() {
    // A browser that has no such layer shows it where it is.
    if (!this.toast.showPopover) return;
    if (this.toast.matches(":popover-open")) this.toast.hidePopover();
    this.toast.showPopover();
  }

  /** Says something for a few seconds. */
  say(words) {
    this.#raise();
    this.toast.textContent = words;
    this.toast.classList.add("shown");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.toast.classList.remove("shown"), 4000);
  }
}
