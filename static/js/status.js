// Says how the connection stands and whether the server has everything that was drawn here.

const WORDS = {
  connecting: "Connecting…",
  online: "Live",
  waiting: "Offline – draw on, your ink is kept",
  stopped: "This board is open in another tab",
};

export class Status {
  constructor() {
    this.element = document.querySelector("#status");
    this.text = document.querySelector("#status-text");
    this.retry = document.querySelector("#status-retry");
    this.toast = document.querySelector("#toast");
    this.wasOnline = false;
  }

  /** @param {string} state how the connection stands @param {number} unsent operations that the server does not have */
  show(state, unsent) {
    this.wasOnline ||= state === "online";
    const name = state === "connecting" && this.wasOnline ? "waiting" : state;
    const words = unsent > 0 && name === "waiting" ? `${WORDS[name]} (${unsent} to send)` : WORDS[name];
    if (this.element.dataset.state !== state) this.element.dataset.state = state;
    if (this.text.textContent !== words) this.text.textContent = words;
    this.element.dataset.unsent = unsent;
    this.retry.hidden = state !== "stopped";
  }

  /** Says something for a few seconds. */
  say(words) {
    this.toast.textContent = words;
    this.toast.classList.add("shown");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.toast.classList.remove("shown"), 4000);
  }
}
