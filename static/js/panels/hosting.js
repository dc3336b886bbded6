// The host's sheet: links, the password, the lock, who is banned, and who ordered what.

import { keepLink, linksOf } from "../device/identity.js";
import { linkOf } from "../plane/place.js";
import { language, t } from "../state/language.js";
import { button, date, openSheet } from "./controls.js";

const ROLES = ["host", "editor", "viewer"];
/** How long a link may hold, in seconds; 0 for ever. */
const SPANS = { spanEver: 0, spanHour: 3600, spanDay: 86_400, spanWeek: 7 * 86_400 };
/** Units of time, and the seconds that each has. @type {[string, number][]} */
const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
/** How long a pen is lent, in seconds. */
export const LENT = 10 * 60;

const at = (id) => /** @type {any} */ (document.querySelector(id));

export class Hosting {
  /**
   * @param {{ session: import("../session/session.js").Session, boardName: string, ask: (message: object) => boolean, send: (message: object) => boolean,
   *   say: (words: string, values?: object) => void, comeBy: (token: string) => void,
   *   copyLink: (link: string, words: string, values?: object) => void }} context
   */
  constructor(context) {
    this.context = context;
    /** @type {any} */
    this.rules = undefined;
    /** @type {string | undefined} */
    this.justMade = undefined;
    /** Whether an order is on its way whose answer has not come. */
    this.isUnanswered = false;
  }

  start() {
    const span = at("#link-span");
    span.append(...Object.entries(SPANS).map(([name, seconds]) => new Option(t(name), String(seconds))));
    at("#without-link").addEventListener("change", ({ target }) => this.order({ do: "withoutLink", role: target.value || undefined }));
    at("#lock-choice").addEventListener("change", ({ target }) => this.order({ do: "lock", locked: target.checked }));
    at("#password-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.order({ do: "password", password: at("#host-password").value })) at("#host-password").value = "";
    });
    at("#password-none").addEventListener("click", () => this.order({ do: "password", password: "" }));
    at("#audit-show").addEventListener("click", () => this.order({ do: "audit" }));
  }

  /** Sends an order, which is not kept; says so without a connection, and returns whether it was sent. @param {any} action */
  order(action) {
    const isSent = this.context.ask({ type: "moderate", action });
    if (isSent) this.isUnanswered ||= action.do !== "audit";
    // The choice does not hold.
    else this.#show();
    return isSent;
  }

  open() {
    this.#show();
    this.#askForRules();
    at("#audit-list").replaceChildren();
    openSheet(at("#hosting"));
  }

  #askForRules() {
    this.context.send({ type: "moderate", action: { do: "rules" } });
  }

  /** The connection is lost, or is there again. */
  connectionChanged() {
    const { session } = this.context;
    const isLost = !session.joined && this.isUnanswered;
    if (isLost) this.context.say("notConfirmed");
    if (!session.joined) this.isUnanswered = false;
    if (!at("#hosting").open) return;
    if (session.joined && session.access.role === "host") this.#askForRules();
    // A choice that was not ordered does not hold. Otherwise the lines stay, and the keyboard focus with them.
    if (isLost) this.#show();
    else this.#showStanding();
  }

  accessChanged() {
    if (at("#hosting").open) this.#showStanding();
  }

  /** The server answers. @param {any} message */
  answered(message) {
    if (message.type === "rules" || message.type === "notDone") this.isUnanswered = false;
    if (message.type === "rules") {
      this.rules = message;
      this.#forgetOldLinks();
      this.#show();
    }
    if (message.type === "link") this.#linkMade(message);
    if (message.type === "audit") this.#showAudit(message.records);
    if (message.type === "notDone") {
      this.context.say("notDone", { reason: message.text });
      if (at("#hosting").open) this.#show();
    }
  }

  #linkMade({ role, token }) {
    const { boardName } = this.context;
    keepLink(boardName, role, token);
    this.justMade = role;
    // Whoever makes the host link anew comes by the new one.
    if (role === "host") this.context.comeBy(token);
    this.#copy(role, token);
  }

  /** A link that was made anew by somebody else, or revoked, is not one that can be handed out. */
  #forgetOldLinks() {
    const { boardName } = this.context;
    for (const role of ROLES) {
      const made = String(this.rules.links.find((link) => link.role === role)?.made);
      if (this.justMade === role) keepLink(boardName, `${role}Made`, made);
      // The one by which this browser is host holds.
      else if (role !== "host" && linksOf(boardName)[`${role}Made`] !== made) keepLink(boardName, role, undefined);
    }
    this.justMade = undefined;
  }

  #copy(role, token) {
    const link = location.href.replace(/#.*/, "") + linkOf(token);
    return this.context.copyLink(link, "linkOfRoleCopied", { role: t(`role.${role}`) });
  }

  #show() {
    const { rules = { links: [], bans: [], hasPassword: false, withoutLink: "editor" } } = this;
    const lines = (...roles) => roles.map((role) => this.#linkLine(role, rules.links.find((it) => it.role === role)));
    at("#link-list").replaceChildren(...lines("editor", "viewer"));
    at("#host-link").replaceChildren(...lines("host"));
    at("#without-link").value = rules.withoutLink ?? "";
    at("#without-link-hint").hidden = rules.withoutLink !== "editor" || !rules.links.some(({ role }) => role === "viewer");
    at("#password-none").hidden = !rules.hasPassword;
    at("#password-state").textContent = t(rules.hasPassword ? "passwordSet" : "passwordNone");
    at("#ban-part").hidden = rules.bans.length === 0;
    at("#ban-list").replaceChildren(...rules.bans.map((ban) => this.#banLine(ban)));
    this.#showStanding();
  }

  /** Shows what holds on the board; without a connection nothing can be ordered. */
  #showStanding() {
    const { joined, access } = this.context.session;
    at("#lock-choice").checked = access.locked;
    at("#hosting-offline").hidden = joined;
    for (const it of document.querySelectorAll("#hosting button:not(.close, .copies)")) it.toggleAttribute("disabled", !joined);
  }

  #linkLine(role, link) {
    const line = document.createElement("li");
    const words = document.createElement("span");
    words.textContent = link ? `${t(`role.${role}`)} – ${linkState(link)}` : t(`role.${role}`);
    line.append(words);
    const named = (words, act) => {
      const it = button(words, t(`role.${role}`), act);
      line.append(it);
      return it;
    };
    const copy = this.#copyOf(role, link);
    if (copy) named("copyLink", copy).className = role === "editor" ? "copies main" : "copies";
    named(link ? "makeAnew" : "makeLink", () => {
      this.order({ do: "makeLink", role, seconds: role === "host" ? 0 : Number(at("#link-span").value) });
    });
    if (link && role !== "host") named("revoke", () => this.order({ do: "revokeLink", role }));
    return line;
  }

  /** Returns the act that hands out a link of a role, if there is one that works. */
  #copyOf(role, link) {
    const token = linksOf(this.context.boardName)[role];
    const isExpired = link && link.expires !== 0 && link.expires < Date.now();
    if (link && token && !isExpired) return () => this.#copy(role, token);
    // The address alone is the link to draw.
    if (role === "editor" && this.rules?.withoutLink === "editor") return () => this.context.copyLink(location.href.replace(/#.*/, ""), "linkCopied");
    return undefined;
  }

  #banLine({ ban, name, address }) {
    const line = document.createElement("li");
    const words = document.createElement("span");
    words.textContent = address ? t("bannedWithAddress", { name }) : name;
    line.append(words, button("unban", name, () => this.order({ do: "unban", ban })));
    return line;
  }

  #showAudit(records) {
    const lines = records.map((record) => {
      const line = document.createElement("li");
      line.textContent = t("auditLine", { date: date(record.at), order: sentenceOf(record) });
      return line;
    });
    at("#audit-list").replaceChildren(...lines);
    if (lines.length === 0) at("#audit-list").textContent = t("auditEmpty");
  }
}

function linkState({ made, expires }) {
  if (expires === 0) return t("linkMade", { date: date(made) });
  return t(expires < Date.now() ? "linkExpired" : "linkExpires", { date: date(expires) });
}

/** Returns the sentence of an order, of which the server keeps the name with a role, a number of seconds, or both after it. */
function sentenceOf({ who, what, whom }) {
  const [name, ...values] = what.split(" ");
  const role = values.find((value) => ROLES.includes(value));
  const seconds = values.map(Number).find((value) => value > 0);
  const kind = values[0] === "nobody" ? "Nobody" : role && seconds ? "For" : "";
  return t(`order.${name}${kind}`, { who, whom, role: role && t(`role.${role}`), span: seconds && span(seconds) });
}

/** So many seconds for people, in the largest unit of which they are so many. @param {number} seconds */
function span(seconds) {
  const [unit, each] = UNITS.find(([, each]) => seconds % each === 0) ?? ["second", 1];
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(seconds / each);
}
