// Shows the author of the selected element, and when it was drawn.

import { button } from "./controls.js";

/** The time between two questions about who drew a selected element: the server answers them only now and then. */
const CHRONICLES_APART_MS = 6_000;

export class Origin {
  /**
   * @param {import("../session/session.js").Session} session
   * @param {import("../canvas/selection.js").Selection} selection
   * @param {{ send: (message: object) => boolean, originOf: (element: import("../board/element.js").Element) => string, clearAuthor: (author: number) => void }} page
   */
  constructor(session, selection, page) {
    this.session = session;
    this.selection = selection;
    this.page = page;
    this.element = /** @type {any} */ (document.querySelector("#origin"));
    /** The sequence number up to which that is known, and when it may be asked for again. */
    this.askedAt = -1;
    this.againAt = 0;
  }

  show() {
    const { elements } = this.selection;
    this.element.hidden = elements.length !== 1;
    if (elements.length !== 1) return;
    const [element] = elements;
    this.#ask(element);
    const { role, hosted } = this.session.access;
    const words = this.page.originOf(element);
    // Who has gone, or was sent away, has left ink behind.
    const clears = hosted && role === "host" && element.author !== this.session.self;
    this.element.replaceChildren(words, ...(clears ? [button("clearAuthor", words, () => this.page.clearAuthor(element.author))] : []));
  }

  /** It is asked for again while it may still grow. */
  #ask({ seq }) {
    if (seq <= this.askedAt || performance.now() <= this.againAt) return;
    if (this.session.storage === "memory" || !this.page.send({ type: "chronicle" })) return;
    this.againAt = performance.now() + CHRONICLES_APART_MS;
    this.askedAt = this.session.log.seq;
  }
}
