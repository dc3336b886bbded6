// Tells a screen reader what others do on the board, and describes elements in words.

import { keyOf } from "../board/element.js";
import { COLOURS, COLOUR_NAMES } from "../device/identity.js";
import { t } from "../state/language.js";

/** The words for what others do to elements, by operation. */
const CHANGES = {
  patch: "somebodyChanged", delete: "somebodyErased", clear: "somebodyCleared", clearAuthor: "somebodyCleared", undo: "somebodyUndid",
};

function colourName(colour) {
  const index = COLOURS.indexOf(colour.slice(0, 7));
  return t(index < 0 ? "otherColourOf" : COLOUR_NAMES[index]);
}

export class News {
  /**
   * @param {import("./announcer.js").Announcer} announcer
   * @param {import("../session/session.js").Session} session
   */
  constructor(announcer, session) {
    this.announcer = announcer;
    this.session = session;
  }

  /** Tells what others did to what is there. @param {any[]} entries */
  tellChanges(entries) {
    for (const { author, operation } of entries) {
      const words = CHANGES[operation.type];
      if (!words || author === this.session.self) continue;
      const elements = operation.elements ?? (operation.element ? [operation.element] : []);
      this.announcer.did(words, this.#nameOf(author), elements.map((it) => keyOf(it.author || author, it.cseq)));
    }
  }

  /** Tells what others have finished. */
  tellDrawn() {
    for (const key of this.session.finished) {
      const { author = this.session.self, visible = false } = this.session.board.element(key) ?? {};
      if (visible && author !== this.session.self) this.announcer.did("somebodyDrew", this.#nameOf(author), [key]);
    }
  }

  #nameOf(author) {
    return this.session.people.get(author)?.name ?? t("somebody");
  }

  /** Returns an element in words. @param {any} element */
  describe({ kind, content, author, properties }) {
    const name = this.#nameOf(author);
    const named = t(kind === "shape" ? content.kind : kind);
    if (properties.text) return t("textOf", { kind: named, text: properties.text.slice(0, 80), name });
    return t("objectOf", { kind: named, colour: colourName(properties.colour), name });
  }
}
