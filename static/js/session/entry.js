// By which link somebody comes to the board, whether they are let in, and the links that they hand out.

import { keepLink, linksOf } from "../device/identity.js";
import { isSecret, linkOf } from "../plane/place.js";

/** Reasons of the server after which coming back by oneself makes no sense. */
export const KEPT_OUT = ["forbidden", "expired", "passwordNeeded", "tooManyTries", "removed", "banned", "full", "tooManyBoards"];
/** Those of them that say nothing of this person. */
export const NO_ROOM = ["tooManyTries", "full", "tooManyBoards"];
const here = () => location.href.replace(/#.*/, "");

export class Entry {
  /**
   * @param {{ boardName: string, link: { token: string | undefined, isBroken: boolean }, session: import("./session.js").Session,
   *   connection: import("./connection.js").Connection,
   *   takeLink: () => { token: string | undefined, isBroken: boolean } }} board `takeLink` takes the link out of the address
   * @param {{ say: (words: string, values?: object) => void, showLink: (link: string) => void, goToLink: () => void, openHosting: () => void,
   *   keptOut: (reason: string, retryMs: number) => void, stopped: (reason: string) => void, forgotten: () => void }} page `keptOut` shows
   *   the door, `stopped` says why there is no connection any more, `forgotten` drops what this device keeps of the board
   */
  constructor({ boardName, link, session, connection, takeLink }, page) {
    this.boardName = boardName;
    this.session = session;
    this.connection = connection;
    this.takeLink = takeLink;
    this.page = page;
    /** The secret of the link by which somebody comes. */
    this.token = link.token;
    this.isBroken = link.isBroken;
    /** Whether the server has said what the link lets one do. */
    this.isKnown = false;
  }

  start() {
    addEventListener("hashchange", () => this.#linkChanged());
    if (this.isBroken) this.#isKeptOut("forbidden", 0);
    else this.connection.start();
    // One that was put into the address while the page was being fetched.
    if (isSecret(location.hash) && !this.isBroken) this.#linkChanged();
  }

  get hasLink() {
    return this.token !== undefined || this.isBroken;
  }

  get #isHosts() {
    return this.token !== undefined && this.token === linksOf(this.boardName).host;
  }

  #linkChanged() {
    if (!isSecret(location.hash)) return void this.page.goToLink();
    const { token, isBroken } = this.takeLink();
    this.token = token;
    this.isKnown = false;
    this.isBroken = isBroken;
    this.session.credentials.token = token;
    // Half a link is not taken for none: it would let in as somebody else, or not at all.
    if (isBroken) this.#isKeptOut("forbidden", 0);
    else this.knock("");
  }

  /** From now on this browser comes to the board by another link, or without one. @param {string | undefined} token */
  comeBy(token) {
    this.token = token;
    this.isBroken = false;
    this.session.credentials = { ...this.session.credentials, token };
    keepLink(this.boardName, "own", token);
  }

  comeWithoutLink() {
    this.comeBy(undefined);
    this.knock("");
  }

  /** Tries to come in. @param {string} password empty for none */
  knock(password) {
    this.session.credentials = { ...this.session.credentials, password };
    this.connection.stop();
    this.connection.restart();
  }

  /** The server has said what this person may do. */
  accessChanged() {
    const { role, hosted } = this.session.access;
    this.isKnown = true;
    if (hosted && role === "host") keepLink(this.boardName, "host", this.token);
  }

  /** The server ends the connection. @param {{ reason: string, retryMs: number }} goodbye */
  toldGoodbye({ reason, retryMs }) {
    if (reason === "deleted") this.page.forgotten();
    if (reason === "replaced" || reason === "deleted") this.#stop(reason);
    else if (KEPT_OUT.includes(reason)) this.#isKeptOut(reason, retryMs);
    else if (reason === "restart") this.connection.retryAfter(retryMs * (0.5 + Math.random()));
  }

  #isKeptOut(reason, retryMs) {
    // A host link that was replaced elsewhere is one no more.
    if (this.#isHosts) keepLink(this.boardName, "host", undefined);
    this.#stop(reason);
    if (!NO_ROOM.includes(reason)) this.page.forgotten();
    this.page.keptOut(reason, retryMs);
  }

  #stop(reason) {
    this.page.stopped(reason);
    this.connection.stop();
  }

  /** A host hands out links; everybody else the way that they came themselves. */
  async share() {
    const { role } = this.session.access;
    if (role === "host" || this.#isHosts) return this.page.openHosting();
    // The link may be a host's as long as the server has not said what it is.
    if (this.token && !this.isKnown) return this.page.say("notSent");
    return this.copyLink(here() + linkOf(this.token), role === "viewer" ? "linkCopiedToLook" : "linkCopied");
  }

  /** @param {string} end of the link, behind the board's address */
  copyPlace(end) {
    return this.copyLink(here() + end, "placeCopied");
  }

  /** @param {string} link @param {string} words what is said when it is copied @param {object} [values] */
  async copyLink(link, words, values) {
    try {
      await navigator.clipboard.writeText(link);
      this.page.say(words, values);
    } catch {
      this.page.showLink(link);
    }
  }
}
