// Who is here: the row of people at the top, their pointers on the board, and the sheet in which one names oneself.
// Names are only ever text, never markup.

import { COLOURS, COLOUR_NAMES, keepPerson, shortened } from "../device/identity.js";
import { isComposed } from "../input/commands.js";
import { NAME } from "../protocol/limits.js";
import { CURSOR_UNITS } from "../session/presence.js";
import { label, t } from "../state/language.js";
import { button, openSheet } from "./controls.js";
import { LENT } from "./hosting.js";

/** So many people have a badge beside the menu; on a telephone how the connection stands has to fit too. */
const SHOWN = 5;
const SHOWN_NARROW = 2;
const NARROW = "(max-width: 480px)";
/** So many of those who raise a hand are named. */
const HANDS = 6;
/** So many of those who have gone can still be ordered about by a host. */
const GONE = 16;

export class People {
  /**
   * @param {{ session: import("../session/session.js").Session, camera: import("../state/camera.js").Camera,
   *   follow: (author: number) => void, ask: (message: object) => boolean, send: (message: object) => boolean,
   *   moderate: (action: object) => boolean, clearAuthor: (author: number) => void,
   *   announcer: import("./announcer.js").Announcer }} context
   */
  constructor(context) {
    this.context = context;
    this.row = document.querySelector("#people");
    this.hands = document.querySelector("#hands");
    this.sheet = document.querySelector("#person");
    this.field = document.querySelector("#person-name");
    this.layer = document.querySelector("#cursors");
    /** @type {Map<number, HTMLElement>} */
    this.cursors = new Map();
    this.known = new Map();
    /** Who was here and has gone, the last ones last. @type {Map<number, any>} */
    this.gone = new Map();
    /** Who raises a hand. @type {Set<number>} */
    this.raised = new Set();
  }

  start() {
    this.row.addEventListener("click", () => this.#ask());
    this.hands.addEventListener("click", () => this.#ask());
    this.sheet.addEventListener("close", () => this.#answered());
    this.field.addEventListener("keydown", (event) => this.#pressed(event));
    document.querySelector("#raise-hand").addEventListener("click", () => this.toggleHand());
    document.querySelector("#person-colours").replaceChildren(...COLOURS.map((colour, at) => this.#swatch(colour, t(COLOUR_NAMES[at]))));
  }

  #pressed(event) {
    if (event.key !== "Enter" || isComposed(event)) return;
    // The button that opened the sheet has the focus again, and would take this Enter for a click.
    event.preventDefault();
    this.sheet.close();
  }

  /** A colour by which one may be known. */
  #swatch(colour, words) {
    const swatch = document.createElement("button");
    swatch.type = "button";
    swatch.className = "colour";
    swatch.style.setProperty("--colour", colour);
    swatch.value = colour;
    label(swatch, words);
    swatch.addEventListener("click", () => {
      this.#introduce({ colour });
      this.#markColour();
    });
    return swatch;
  }

  #markColour() {
    const own = opaque(this.context.session.identity.colour);
    for (const it of document.querySelectorAll("#person-colours button")) {
      it.setAttribute("aria-pressed", String(/** @type {HTMLButtonElement} */ (it).value === own));
    }
  }

  /** Raises one's own hand, or takes it down. */
  toggleHand() {
    const { session } = this.context;
    const raised = !session.people.get(session.self)?.hand;
    this.context.ask({ type: "hand", raised });
  }

  #ask() {
    this.field.value = this.context.session.identity.name;
    this.#list();
    this.#markColour();
    openSheet(this.sheet);
    this.field.select();
  }

  #list() {
    // Where somebody is just doing something to a person, that person stays under the pointer.
    const details = this.sheet.querySelectorAll(".persons details[open]");
    const opened = new Set(Array.from(details, (it) => /** @type {HTMLElement} */ (it).dataset.author));
    const list = (id, people) => {
      document.querySelector(id).replaceChildren(...people.map(([author, one]) => this.#line(author, one, opened)));
    };
    list("#person-list", this.#inOrder());
    const gone = Array.from(this.gone).filter(([, { role }]) => role !== "host").reverse();
    list("#gone-list", gone);
    document.querySelector("#gone-part").toggleAttribute("hidden", gone.length === 0);
    const { session } = this.context;
    const hand = document.querySelector("#raise-hand");
    hand.setAttribute("aria-pressed", String(session.people.get(session.self)?.hand === true));
  }

  #line(author, one, opened) {
    const { session } = this.context;
    const line = document.createElement("li");
    const isSelf = author === session.self;
    const words = document.createElement("span");
    words.textContent = isSelf ? t("you", { name: one.name }) : one.name;
    line.append(badge(one.name, one.colour), words, ...standingOf(one));
    if (isSelf) return line;
    const isHere = session.people.has(author);
    const follow = () => {
      this.sheet.close();
      this.context.follow(author);
    };
    if (isHere) line.append(button("follow", one.name, follow));
    const { role, hosted } = session.access;
    if (hosted && role === "host" && one.role !== "host") line.append(this.#orders(author, one, opened.has(String(author)), isHere));
    return line;
  }

  /** What a host can do about somebody, of which not everything makes sense where that one has gone. */
  #orders(author, { name, role = "editor", muted = false, draws = true, hand = false }, isOpen, isHere) {
    const isLent = draws && (role === "viewer" || this.context.session.access.locked);
    const details = document.createElement("details");
    details.dataset.author = String(author);
    details.open = isOpen;
    const summary = document.createElement("summary");
    summary.textContent = "⋯";
    summary.setAttribute("aria-label", t("ordersFor", { name }));
    const moderate = (action) => () => this.context.moderate({ author, ...action });
    const ban = (address) => () => {
      // One who is here goes now.
      if (moderate({ do: "ban", address })() && this.gone.delete(author)) this.#list();
    };
    const ifHere = (...all) => (isHere ? all : []);
    const buttons = [
      button(muted ? "unmute" : "mute", name, moderate({ do: "mute", muted: !muted })),
      ...(draws || muted ? [] : ifHere(button("lend", name, moderate({ do: "lend", seconds: LENT })))),
      ...(hand ? ifHere(button("lowerHand", name, moderate({ do: "lowerHand" }))) : []),
      ...(isLent ? ifHere(button("takeBackPen", name, moderate({ do: "lend", seconds: 0 }))) : []),
      button("clearAuthor", name, () => this.context.clearAuthor(author)),
      ...ifHere(button("remove", name, moderate({ do: "remove" }))),
      button("ban", name, ban(false)),
      button("banAddress", name, ban(true)),
    ];
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = t("ordersHint");
    details.append(summary, ...buttons, hint);
    return details;
  }

  #answered() {
    const name = shortened(this.field.value.trim(), NAME);
    if (name && name !== this.context.session.identity.name) this.#introduce({ name });
  }

  /** This person is known by another name or colour from now on, on every board of this browser. @param {{ name?: string, colour?: string }} as */
  #introduce(as) {
    const { identity } = this.context.session;
    const { name = identity.name, colour = identity.colour.slice(0, 7) } = as;
    Object.assign(identity, { name, colour: `${colour}ff` });
    keepPerson({ name, colour });
    this.context.send({ type: "profile", name, colour: identity.colour });
  }

  /** Oneself first, then the others in the order in which they came. */
  #inOrder() {
    const { people, self } = this.context.session;
    return Array.from(people).sort(([one], [other]) => Number(other === self) - Number(one === self) || one - other);
  }

  update() {
    const all = this.#inOrder();
    this.#followGoing();
    if (this.sheet.open) this.#list();
    // A raised hand must be seen, also where there are many.
    const raised = all.filter(([, { hand }]) => hand);
    const shown = matchMedia(NARROW).matches ? SHOWN_NARROW : SHOWN;
    const first = [...raised, ...all.filter(([, { hand }]) => !hand)].slice(0, shown);
    const badges = first.map(([, { name, colour, hand }]) => badge(hand ? "✋" : name, colour, hand));
    if (all.length > shown) badges.push(badge(`+${all.length - shown}`, "#495057ff", true));
    this.row.replaceChildren(...badges);
    const names = all.map(([, { name }]) => name).join(", ");
    label(this.row, t("peopleNamed", { names: names || t("nobodyYet") }));
    this.#showHands();
    this.#announce();
    this.placeCursors();
  }

  /** This person may do something else now. */
  accessChanged() {
    this.#showHands();
  }

  /** Says who raises a hand, for as long as it is raised, to those who may lower it; without a host, to everybody. */
  #showHands() {
    const { access: { hosted, role }, people, self } = this.context.session;
    const names = Array.from(people).filter(([author, { hand }]) => hand && author !== self).map(([, { name }]) => name);
    this.hands.hidden = names.length === 0 || (hosted && role !== "host");
    if (this.hands.hidden) return;
    const others = names.length > HANDS ? ` +${names.length - HANDS}` : "";
    const words = t("handsUp", { names: names.slice(0, HANDS).join(", ") + others });
    if (this.hands.textContent !== words) this.hands.textContent = words;
  }

  #followGoing() {
    const { people } = this.context.session;
    for (const [author, one] of this.known) if (!people.has(author)) this.gone.set(author, one);
    for (const author of people.keys()) this.gone.delete(author);
    for (const author of Array.from(this.gone.keys()).slice(0, -GONE)) this.gone.delete(author);
  }

  #announce() {
    const { people, self } = this.context.session;
    const news = [];
    for (const [author, { name }] of people) {
      if (author !== self && this.known.size > 0 && !this.known.has(author)) news.push(t("cameHere", { name }));
    }
    for (const [author, { name, hand }] of people) {
      if (hand && !this.raised.has(author) && author !== self) news.push(t("raisedHand", { name }));
    }
    this.raised = new Set(Array.from(people).filter(([, { hand }]) => hand).map(([author]) => author));
    for (const [author, { name }] of this.known) if (!people.has(author)) news.push(t("hasGone", { name }));
    this.known = new Map(people);
    if (news.length > 0) this.context.announcer.say(news.join(" "));
  }

  /** Puts every pointer where its person points. */
  placeCursors() {
    const { session, camera: { viewport } } = this.context;
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
      /** @type {Element} */ (cursor.lastElementChild).textContent = name;
    }
  }

  #cursor(author) {
    const known = this.cursors.get(author);
    if (known) return known;
    const cursor = document.querySelector("#cursor-template").content.firstElementChild.cloneNode(true);
    this.layer.append(cursor);
    this.cursors.set(author, cursor);
    return cursor;
  }
}

/** What somebody is and may do, in signs with words. */
function standingOf({ role = "editor", draws = true, muted = false, hand = false }) {
  const signs = [];
  if (hand) signs.push("handRaised");
  if (role !== "editor") signs.push(`role.${role}`);
  if (muted) signs.push("isMuted");
  else if (!draws && role !== "viewer") signs.push("looksOn");
  return signs.map((key) => {
    const sign = document.createElement("span");
    sign.className = "sign";
    sign.textContent = t(key);
    return sign;
  });
}

const opaque = (colour) => colour.slice(0, 7);

function badge(name, colour, whole = false) {
  const it = document.createElement("span");
  it.className = "badge";
  it.style.backgroundColor = opaque(colour);
  it.setAttribute("aria-hidden", "true");
  // A picture of a letter and no text: the names are in the words around it (WCAG 2.5.3).
  it.dataset.sign = whole ? name : (Array.from(name)[0] ?? "?").toUpperCase();
  return it;
}
