// Sends the pointer, the laser and the view to the others a few times a second, and follows another person's view.

import { Viewport } from "../plane/viewport.js";
import { COORDINATE } from "../protocol/limits.js";
import { t } from "../state/language.js";

/** Units of presence in a board unit. */
export const CURSOR_UNITS = 64;
/** A pointer is sent at most this often, in milliseconds, and what the screen shows. */
export const CURSOR_INTERVAL = 33;
const VIEW_INTERVAL = 150;

/** A place on the board as presence carries it, or `undefined` if it is too far out. @param {number[]} place */
function cursorOf([x, y]) {
  const at = [Math.round(x * CURSOR_UNITS), Math.round(y * CURSOR_UNITS)];
  return at.every((it) => Math.abs(it) <= COORDINATE) ? at : undefined;
}

const at = (id) => document.querySelector(id);

export class Presence {
  /**
   * @param {import("./session.js").Session} session
   * @param {(message: object) => boolean} send
   * @param {import("../state/camera.js").Camera} camera
   * @param {() => boolean} isBusy whether a gesture is under way, under which the board stays where it is
   */
  constructor(session, send, camera, isBusy) {
    this.session = session;
    this.send = send;
    this.camera = camera;
    this.isBusy = isBusy;
    /** Where the pointer is on the screen. @type {number[] | undefined} */
    this.pointerAt = undefined;
    /** The same on the board, in units of presence. @type {number[] | undefined} */
    this.cursor = undefined;
    /** @type {number[] | undefined} */
    this.laserAt = undefined;
    /** The author whom one follows. @type {number | undefined} */
    this.followed = undefined;
    /** @type {string | undefined} */
    this.followedView = undefined;
    camera.view.watch(() => this.sendViewSoon());
  }

  start() {
    at("#following-stop").addEventListener("click", () => this.follow(undefined));
  }

  pointerMoved({ x, y }) {
    this.pointerAt = [x, y];
    this.cursor = cursorOf(this.camera.viewport.toBoard([x, y]));
    this.#sendCursorSoon();
  }

  pointersLeft() {
    this.pointerAt = this.cursor = undefined;
    this.#sendCursorSoon();
  }

  /** The laser shines at a place of the board. @param {number[]} place */
  shine(place) {
    this.laserAt = cursorOf(place);
    this.#sendCursorSoon();
  }

  #sendCursorSoon() {
    this.cursorTimer ??= setTimeout(() => this.#sendCursor(), CURSOR_INTERVAL);
  }

  #sendCursor() {
    const { cursor, laserAt } = this;
    this.cursorTimer = this.laserAt = undefined;
    // Also of a laser that is out already: a flick is over before anything was sent of it.
    if (laserAt) this.send({ type: "laser", at: laserAt });
    else this.send(cursor ? { type: "presence", cursor } : { type: "presence" });
  }

  sendViewSoon() {
    this.viewTimer ??= setTimeout(() => this.#sendView(), VIEW_INTERVAL);
  }

  #sendView() {
    this.viewTimer = undefined;
    const { viewport, stage } = this.camera;
    // A follower's view is the other's, no wider: two people who follow each other would zoom out for ever.
    const followed = this.#followed?.view;
    const view = followed ?? viewport.bounds(stage.size).map((side) => Math.round(side * CURSOR_UNITS));
    const isWithin = view.every((side) => Math.abs(side) <= COORDINATE);
    this.send(isWithin ? { type: "view", view } : { type: "view" });
  }

  get #followed() {
    return this.followed === undefined ? undefined : this.session.people.get(this.followed);
  }

  /** Goes where somebody goes, or stops to. @param {number | undefined} author */
  follow(author) {
    if (author === this.followed) return;
    this.followed = author;
    this.followedView = undefined;
    this.sendViewSoon();
    this.showFollowed();
  }

  /** Says whom one follows, and goes to where they are now. */
  showFollowed() {
    const followed = this.#followed;
    if (!followed) this.followed = undefined;
    at("#following").hidden = !followed;
    if (!followed) return;
    at("#following-text").textContent = t("following", { name: followed.name });
    const view = followed.view?.map((side) => side / CURSOR_UNITS);
    if (this.isBusy()) return;
    const isElsewhere = view && view.join() !== this.followedView;
    this.followedView = view?.join();
    if (isElsewhere) this.camera.see(Viewport.around(view, this.camera.stage.size, 0, Infinity));
  }

  /** Where the others look, in board units, each with the person's colour. */
  get otherViews() {
    const { people, self } = this.session;
    return Array.from(people).flatMap(([author, { view, colour }]) =>
      view && author !== self ? [{ view: view.map((side) => side / CURSOR_UNITS), colour: colour.slice(0, 7) }] : []);
  }
}
