// Receives packets: gives them to the session, and tells the parts of the page that show what is in them.

import { keep, kept } from "../device/storage.js";

/** The version of the page that was loaded again because the server knew more. */
const RELOADED = "inkwire.reloaded";

export class Reception {
  /**
   * @param {import("./session.js").Session} session
   * @param {{ drafts: import("../canvas/drafts.js").Drafts, news: import("../panels/news.js").News, camera: import("../state/camera.js").Camera,
   *   say: (words: string) => void, flushed: () => void, welcomed: (isNew: boolean) => void, heard: () => void,
   *   online: () => void, lost: () => void, changed: () => void }} page `flushed` hears of operations of the log, `welcomed` that the server
   *   knows this person now, and whether it may have lost what it had; `heard` that something new is on the board; `changed` of each state
   *   of the connection
   */
  constructor(session, page) {
    this.session = session;
    this.page = page;
  }

  firstMessages() {
    return this.session.greeting();
  }

  /** @param {any[]} messages */
  receivedMessages(messages) {
    const { camera, drafts, flushed, heard, news, welcomed } = this.page;
    const { epoch, isCaughtUp } = this.session;
    const flushes = messages.filter(({ type }) => type === "operations");
    if (flushes.length > 0) flushed();
    const entries = flushes.flatMap((flush) => flush.entries);
    // The finished element comes before the news that its draft is gone.
    for (const { author, operation } of entries) drafts.drawn(author, operation.type);
    if (isCaughtUp) news.tellChanges(entries);
    this.session.receive(messages);
    heard();
    if (isCaughtUp) news.tellDrawn();
    if (messages.some(({ type }) => type === "welcome")) welcomed(this.session.epoch !== epoch || this.session.storage !== "disk");
    if (!camera.hasMoved && this.session.isCaughtUp) camera.showAll();
  }

  /**
   * A packet could not be read. If it has something that this page does not know, the page is too old for the server, and is loaded
   * again; once, because the server may have no newer one.
   *
   * @param {{ rule?: string }} error
   */
  packetFailed({ rule = undefined }) {
    const { version } = document.documentElement.dataset;
    if (rule !== "unknownValue" || kept("sessionStorage", RELOADED) === version) return;
    keep("sessionStorage", RELOADED, version);
    this.page.say("outdated");
    location.reload();
  }

  /** @param {string} state */
  stateChanged(state) {
    if (state === "online") this.page.online();
    else this.session.left();
    if (state === "waiting") this.page.lost();
    this.page.changed();
  }
}
