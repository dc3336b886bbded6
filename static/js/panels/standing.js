// Says why a person may not draw, and gives the page's style the role.

import { t } from "../state/language.js";

export class Standing {
  /** @param {import("../session/session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.element = /** @type {any} */ (document.querySelector("#standing"));
  }

  accessChanged() {
    const { role, draws, hosted } = this.session.access;
    document.body.dataset.role = hosted ? role : "";
    document.body.dataset.draws = String(draws);
    this.show();
  }

  show() {
    const { access, whyNot, pending } = this.session;
    this.element.hidden = access.draws;
    if (access.draws) return;
    const standing = t(`standing.${whyNot}`);
    const words = pending.length > 0 ? t("keptForLater", { standing, count: pending.length }) : standing;
    // It is read aloud if it changes.
    if (this.element.textContent !== words) this.element.textContent = words;
  }
}
