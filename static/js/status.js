// Says how the connection stands, and whether what was drawn here is sent and saved.

const WORDS = {
  connecting: "Connecting…",
  waiting: "Offline – draw on, your ink is kept",
  replaced: "This board is open in another tab",
  deleted: "This board was deleted",
};

/** What an online page says, by where the server keeps what is drawn. */
const ONLINE = {
  memory: "Live",
  disk: "Saved",
  failing: "Not saved: the server’s disk takes nothing. Keep this page open",
};

/** Saving is said only when it takes so long, in milliseconds: mostly it is done before anybody could read it. */
const SAVING_AFTER_MS = 600;

export class Status {
  constructor() {
    this.element = document.querySelector("#status");
    this.text = document.querySelector("#status-text");
    this.retry = document.querySelector("#status-retry");
    this.toast = document.querySelector("#toast");
    this.wasOnline = false;
    this.why = "replaced";
  }

  /** Why the page does not come back by itself. @param {"replaced" | "deleted"} why */
  stoppedBecause(why) {
    this.why = why;
    this.retry.textContent = why === "deleted" ? "Begin anew" : "Draw here instead";
  }

  /**
   * @param {string} state how the connection stands
   * @param {{ unsent: number, unsaved: number, storage?: string }} ink how many operations the server does not have, how
   *   many are not on its disk, and where it keeps them
   */
  show(state, { unsent, unsaved, storage }) {
    this.wasOnline ||= state === "online";
    Object.assign(this, { state, unsent, unsaved, storage });
    const { dataset } = this.element;
    if (dataset.state !== state) dataset.state = state;
    dataset.unsent = unsent;
    dataset.unsaved = unsaved;
    dataset.storage = storage ?? "";
    this.retry.hidden = state !== "stopped";
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
      if (this.storage !== "disk" || this.unsaved === 0) return ONLINE[this.storage] ?? "Live";
      // What is said now stays until saving has taken long.
      return takesLong || this.text.textContent !== ONLINE.disk ? "Saving…" : undefined;
    }
    if (this.state === "stopped") return WORDS[this.why];
    const name = this.state === "connecting" && this.wasOnline ? "waiting" : this.state;
    return this.unsent > 0 && name === "waiting" ? `${WORDS[name]} (${this.unsent} to send)` : WORDS[name];
  }

  /** Says something for a few seconds. */
  say(words) {
    this.toast.textContent = words;
    this.toast.classList.add("shown");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.toast.classList.remove("shown"), 4000);
  }
}
