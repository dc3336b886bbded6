// The replay: a bar under the board on which the whole past can be gone through, and the board at any moment of it.

import { Diverged } from "../board/board.js";
import { OfAuthor, Past } from "../board/past.js";
import { Timeline, whenDone } from "../board/timeline.js";
import { rememberBoard } from "../device/boards.js";
import { keepLink } from "../device/identity.js";
import { AUTHORS } from "../protocol/limits.js";
import { t } from "../state/language.js";
import { date } from "./controls.js";

const SPEEDS = [1, 4, 16, 64];
/** Of a moment that is so many operations away only what is different is painted. */
const NEAR = 5_000;

const at = (id) => /** @type {any} */ (document.querySelector(id));

export class Replay {
  /**
   * @param {{ session: import("../session/session.js").Session, stage: import("../canvas/stage.js").Stage, desk: import("../tools/desk.js").Desk,
   *   exchange: import("../files/exchange.js").Exchange, boardName: string, ask: (message: object) => boolean, send: (message: object) => boolean,
   *   say: (words: string, values?: object) => void, openExport: () => void, chronicled: () => void }} context `chronicled` hears that it is
   *   known who drew what
   */
  constructor(context) {
    this.context = context;
    /** The part of the past that has come. */
    this.past = new Past();
    /** The lineage of which that is the past. @type {string | undefined} */
    this.epoch = undefined;
    /** @type {Timeline | undefined} */
    this.timeline = undefined;
    /** The board at the moment that is seen. @type {import("../board/board.js").Board | undefined} */
    this.board = undefined;
    /** @type {{ moments: any[], names: any[] }} */
    this.chronicle = { moments: [], names: [] };
    /** Where the replay is, in milliseconds of it, and when that was. */
    this.playedMs = 0;
    this.playedAt = 0;
    this.isOpen = false;
    this.isPlaying = false;
  }

  start() {
    at("#replay").addEventListener("keydown", (event) => this.#keyPressed(event));
    at("#replay-speed").append(...SPEEDS.map((speed) => new Option(`${speed}×`, String(speed))));
    const on = (id, type, act) => at(id).addEventListener(type, act);
    on("#replay-play", "click", () => this.#turnPlaying());
    on("#replay-seq", "input", ({ target }) => this.#scrub(Number(target.value)));
    on("#replay-author", "change", () => this.#show(undefined));
    on("#replay-export", "click", () => this.context.openExport());
    on("#replay-timelapse", "click", () => this.#saveTimelapse());
    on("#replay-back", "click", () => this.#bringBack());
    on("#replay-branch", "click", () => this.context.ask({ type: "branch", seq: this.seq }));
    on("#replay-close", "click", () => this.close());
  }

  /** The keys of the bar, where the page has none in its fields. */
  #keyPressed(event) {
    const plays = event.key === " " && event.target.id === "replay-seq";
    if (event.key !== "Escape" && !plays) return;
    event.preventDefault();
    event.stopPropagation();
    if (plays) this.#turnPlaying();
    else this.close();
  }

  /** Fetches the past, and shows the board as it is in it. */
  open() {
    if (this.isOpen) return;
    if (!this.context.session.joined) return this.context.say("pastNeedsServer");
    this.isOpen = true;
    // Parts of this log that were fetched before are not asked for again: the server rations repeated questions.
    this.past = this.fetched?.epoch === this.context.session.epoch ? this.fetched.past : new Past();
    this.epoch = this.context.session.epoch;
    this.timeline = undefined;
    this.#enable(false);
    document.body.dataset.replays = "true";
    at("#replay").hidden = false;
    at("#replay-label").textContent = t("pastComes", { count: 0 });
    this.context.desk.selection.clear();
    this.context.send({ type: "chronicle" });
    this.context.send({ type: "past", from: this.past.seq + 1 });
  }

  /** Nothing can be done with a past that has not come. */
  #enable(isHere) {
    for (const name of ["play", "seq", "export", "timelapse", "back", "branch"]) at(`#replay-${name}`).disabled = !isHere;
  }

  /** The connection is there again: what of the past had not come is asked for anew. */
  joined() {
    if (!this.isOpen) return;
    if (this.epoch !== this.context.session.epoch) return this.#openAnew();
    if (this.board) return;
    this.context.send({ type: "chronicle" });
    this.context.send({ type: "past", from: this.past.seq + 1 });
  }

  /** The board was put back to an earlier state, or another one has its name: what is here is no past of it. */
  #openAnew() {
    this.close();
    this.open();
  }

  close() {
    if (!this.isOpen) return;
    this.pause();
    this.isOpen = false;
    this.fetched = { epoch: this.epoch, past: this.past };
    this.past = new Past();
    this.board = undefined;
    delete document.body.dataset.replays;
    // Whoever was in the bar is on the board behind it.
    if (at("#replay").contains(document.activeElement)) at("#live").focus();
    at("#replay").hidden = true;
    this.context.stage.shows(this.context.session);
  }

  /** The board that is seen: that of the moment, or of now. */
  get shown() {
    return this.isOpen && this.board ? this.#ofAuthor(this.board) : this.context.session.board;
  }

  get seq() {
    return this.board?.seq ?? 0;
  }

  get #author() {
    return Number(at("#replay-author").value) || undefined;
  }

  #ofAuthor(board) {
    return this.#author === undefined ? board : new OfAuthor(board, this.#author);
  }

  /** The server answers. @param {any} message */
  answered(message) {
    if (message.type === "chronicle") this.#chronicled(message, message.names);
    if (message.type === "authors") this.#chronicled({ ...this.chronicle, names: [...this.chronicle.names, ...message.names] }, message.names);
    if (message.type === "past" && this.isOpen) this.#pastCame(message);
    if (message.type === "branched") this.#branched(message);
    // Only what this bar has asked for closes it.
    if (message.type === "notDone" && this.isOpen && !this.board) this.close();
  }

  /** @param {{ moments: any[], names: any[] }} chronicle as far as it has come @param {any[]} part the names that have just come */
  #chronicled({ moments, names }, part) {
    this.chronicle = { moments, names };
    // A board may have had very many authors: their names come in parts.
    if (part.length === AUTHORS) this.context.send({ type: "authors", from: part.at(-1).author + 1 });
    if (this.timeline) this.#listAuthors();
    this.context.chronicled();
  }

  #pastCame(part) {
    const { past } = this;
    if (part.entries.length === 0 && past.seq === 0 && part.lastSeq > 0) return this.#isNotKept();
    // An answer to what this bar had asked before it was closed.
    if (part.entries.length > 0 && part.firstSeq !== past.seq + 1) return undefined;
    try {
      if (part.entries.length > 0) past.add(part);
    } catch (error) {
      if (!(error instanceof Diverged)) throw error;
      console.warn("the past cannot be shown:", error);
      return this.#isNotKept();
    }
    at("#replay-label").textContent = t("pastComes", { count: past.seq });
    // What was drawn since it was asked for comes with the last part, or is left out.
    if (past.seq < part.lastSeq) return this.context.send({ type: "past", from: past.seq + 1 });
    return this.#isHere();
  }

  #isNotKept() {
    this.close();
    this.fetched = undefined;
    this.context.say("pastNotKept");
  }

  #isHere() {
    this.timeline = new Timeline(this.chronicle.moments, this.past.seq);
    this.#enable(true);
    this.#listAuthors();
    at("#replay-seq").max = this.past.seq;
    at("#replay-seq").focus();
    this.#scrub(this.past.seq);
  }

  #listAuthors() {
    const authors = at("#replay-author");
    const chosen = authors.value;
    const options = this.chronicle.names.map(({ author, name }) => new Option(name, String(author)));
    authors.replaceChildren(new Option(t("everybody"), ""), ...options);
    authors.value = this.chronicle.names.some(({ author }) => String(author) === chosen) ? chosen : "";
  }

  #scrub(seq) {
    const { board } = this;
    if (board && Math.abs(board.seq - seq) <= NEAR) return this.#show(seq < board.seq ? this.#goBack(board.seq, seq) : this.#goOn(board, seq));
    // Also where it is a later one: from a board that is kept it is never far.
    this.board = this.past.at(seq);
    return this.#show(undefined);
  }

  /** Takes the moment back to an earlier one, and gives the keys of what was different then. @param {number} later @param {number} seq */
  #goBack(later, seq) {
    this.board = this.past.at(seq);
    return this.past.differences(this.board, later);
  }

  /** Lets the moment go on to a later one, and gives the keys of what is different then. @param {any} board @param {number} seq */
  #goOn(board, seq) {
    const { changed } = this.past.forward(board, seq);
    const keys = new Set(changed);
    changed.clear();
    return keys;
  }

  /** Shows the moment, of which so much is different from the one before. @param {Set<string> | undefined} changed */
  #show(changed) {
    if (!this.board) return;
    this.context.stage.goesTo({ board: this.#ofAuthor(this.board) }, changed);
    this.#label();
  }

  #label() {
    const { seq, timeline } = this;
    at("#replay-seq").value = seq;
    const when = timeline?.when(seq);
    const words = when === undefined ? t("momentOf", { count: seq, all: this.past.seq }) : t("momentOn", { date: date(when), count: seq, all: this.past.seq });
    at("#replay-label").textContent = words;
    at("#replay-seq").setAttribute("aria-valuetext", words);
  }

  play() {
    if (!this.timeline) return;
    if (this.seq >= this.past.seq) this.#scrub(0);
    this.isPlaying = true;
    this.#showPlaying();
    this.playedMs = this.timeline.msOf(this.seq);
    this.playedAt = performance.now();
    requestAnimationFrame((now) => this.#step(now));
  }

  #turnPlaying() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  pause() {
    this.isPlaying = false;
    this.#showPlaying();
  }

  #showPlaying() {
    at("#replay-play").textContent = this.isPlaying ? "⏸" : "▶";
    at("#replay-play").setAttribute("aria-label", t(this.isPlaying ? "pause" : "play"));
  }

  #step(now) {
    const { board, timeline } = this;
    if (!this.isPlaying || !board || !timeline) return;
    this.playedMs += Math.max(0, now - this.playedAt) * Number(at("#replay-speed").value);
    this.playedAt = now;
    const seq = Math.min(this.past.seq, Math.max(this.seq, timeline.seqAt(this.playedMs)));
    if (seq > this.seq) {
      this.context.stage.elementsChanged(this.#goOn(board, seq));
      this.#label();
    }
    if (seq >= this.past.seq) this.pause();
    else requestAnimationFrame((next) => this.#step(next));
  }

  async #saveTimelapse() {
    const { exchange, boardName } = this.context;
    if (this.past.entries.length === 0) return this.context.say("nothingToExport");
    // Also of pictures that are not there any more.
    const pictures = this.past.entries.filter(({ operation }) => operation.type === "picture");
    const images = await exchange.imagesOf(pictures.map(({ operation }) => ({ content: operation })));
    // Asked for seldom, so fetched then.
    const { timelapse } = await import("../files/timelapse.js");
    const svg = timelapse(this.past, /** @type {Timeline} */ (this.timeline), { author: this.#author, images });
    exchange.download(new Blob([svg], { type: "image/svg+xml" }), `${boardName}-timelapse.svg`);
  }

  /** Goes back to now, with everything again that is seen: what somebody has erased or spoiled since. */
  #bringBack() {
    const { desk, say } = this.context;
    const count = desk.attempt(() => desk.editing.bringBack(Array.from(this.shown.visible())));
    // Why it could not be is said already.
    if (count === undefined) return;
    if (count > 0) this.close();
    say(count > 0 ? "broughtBack" : "nothingBack", { count });
  }

  /** Whoever made a board of this one is its host. */
  #branched({ name, token }) {
    const link = new URL(name, location.href.replace(/#.*/, "")).href;
    keepLink(name, "host", token);
    keepLink(name, "own", token);
    // Also where the browser lets no window be opened: nobody could guess its name again.
    rememberBoard(name);
    this.context.say("branched", { link });
    window.open(link, "_blank", "noopener");
  }

  /** When and by whom an element was drawn, in words. @param {import("../board/element.js").Element} element */
  originOf({ author, seq }) {
    const { moments, names } = this.chronicle;
    const { people } = this.context.session;
    const name = people.get(author)?.name ?? names.find((it) => it.author === author)?.name ?? t("somebody");
    const when = whenDone(moments, seq);
    return when === undefined ? t("drawnBy", { name }) : t("drawnByOn", { name, date: date(when) });
  }
}
