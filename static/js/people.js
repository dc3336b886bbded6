// Who is here: the row of people at the top, their pointers on the board, and the sheet in which one names oneself.
// Names are only ever text, never markup.

import { shortened } from "./identity.js";
import { label, t } from "./language.js";
import { NAME } from "./protocol/limits.js";

const SHOWN = 5;
/** Units of presence in a board unit. */
export const CURSOR_UNITS = 64;

export class People {
  /**
   * @param {{ session: import("./session.js").Session, viewport: import("./viewport.js").Viewport,
   *   renamed: (name: string) => void, follow: (author: number) => void,
   *   announcer: import("./announcer.js").Announcer }} application
   */
  constructor(application) {
    this.application = application;
    this.row = document.querySelector("#people");
    this.sheet = document.querySelector("#person");
    this.field = document.querySelector("#person-name");
    this.layer = document.querySelector("#cursors");
    /** @type {Map<number, HTMLElement>} */
    this.cursors = new Map();
    this.known = new Map();
  }

  start() {
    this.row.addEventListener("click", () => this.#ask());
    this.sheet.addEventListener("close", () => this.#answered());
    this.field.addEventListener("keydown", ({ key }) => key === "Enter" && this.sheet.close());
  }

  #ask() {
    this.field.value = this.application.session.identity.name;
    const list = document.querySelector("#person-list");
    list.replaceChildren(...this.#inOrder().map(([author, one]) => this.#line(author, one)));
    this.sheet.showModal();
    this.field.select();
  }

  #line(author, { name, colour }) {
    const line = document.createElement("li");
    const isSelf = author === this.application.session.self;
    line.append(badge(name, colour), isSelf ? t("you", { name }) : name);
    if (isSelf) return line;
    const follow = document.createElement("button");
    follow.type = "button";
    follow.textContent = t("follow");
    follow.setAttribute("aria-label", `${t("follow")}: ${name}`);
    follow.addEventListener("click", () => {
      this.sheet.close();
      this.application.follow(author);
    });
    line.append(follow);
    return line;
  }

  #answered() {
    const name = shortened(this.field.value.trim(), NAME);
    if (name && name !== this.application.session.identity.name) this.application.renamed(name);
  }

  /** Oneself first, then the others in the order in which they came. */
  #inOrder() {
    const { people, self } = this.application.session;
    return Array.from(people).sort(([one], [other]) => Number(other === self) - Number(one === self) || one - other);
  }

  update() {
    const all = this.#inOrder();
    const badges = all.slice(0, SHOWN).map(([, { name, colour }]) => badge(name, colour));
    if (all.length > SHOWN) badges.push(badge(`+${all.length - SHOWN}`, "#495057ff", true));
    this.row.replaceChildren(...badges);
    const names = all.map(([, { name }]) => name).join(", ");
    label(this.row, t("peopleNamed", { names: names || t("nobodyYet") }));
    this.#announce();
    this.placeCursors();
  }

  #announce() {
    const { people, self } = this.application.session;
    const news = [];
    for (const [author, { name }] of people) {
      if (author !== self && this.known.size > 0 && !this.known.has(author)) news.push(t("cameHere", { name }));
    }
    for (const [author, name] of this.known) if (!people.has(author)) news.push(t("hasGone", { name }));
    this.known = new Map(Array.from(people, ([author, { name }]) => [author, name]));
    if (news.length > 0) this.application.announcer.say(news.join(" "));
  }

  /** Puts every pointer where its person points. */
  placeCursors() {
    const { session, viewport } = this.application;
    for (const [author, cursor] of this.cursors) {
      if (!session.people.get(author)?.at) {
        cursor.remove();
        this.cursors.delete(author);
      }
    }
    for (const [author, { name, colour, at }] of session.people) {
      if (!at || author === session.self) continue;
      const [x, y] = viewport.toScreen(at.map((it) => it / CURSOR_UNITS));
      const cursor = this.#cursor(author);
      cursor.style.transform = `translate(${x}px, ${y}px)`;
      cursor.style.setProperty("--colour", opaque(colour));
      cursor.lastElementChild.textContent = name;
    }
  }

  #cursor(author) {
    if (!this.cursors.has(author)) {
      const cursor = document.querySelector("#cursor-template").content.firstElementChild.cloneNode(true);
      this.layer.append(cursor);
      this.cursors.set(author, cursor);
    }
    return this.cursors.get(author);
  }
}

const opaque = (colour) => colour.slice(0, 7);

function badge(name, colour, whole = false) {
  const it = document.createElement("span");
  it.className = "badge";
  it.style.backgroundColor = opaque(colour);
  it.setAttribute("aria-hidden", "true");
  it.textContent = whole ? name : (Array.from(name)[0] ?? "?").toUpperCase();
  return it;
}

/** A place on the board as presence carries it, or `undefined` where it is too far out. @param {number[]} place */
export function cursorOf(place, limit) {
  const [x, y] = place;
  const at = [Math.round(x * CURSOR_UNITS), Math.round(y * CURSOR_UNITS)];
  return at.every((it) => Math.abs(it) <= limit) ? at : undefined;
}
