// The desk: what is drawn with, and what becomes of a gesture. It is the context of the tools.

import { Rejected } from "../board/element.js";
import { Selection, outlineSketch } from "../canvas/selection.js";
import { COLOURS } from "../device/identity.js";
import { moved } from "../plane/geometry.js";
import { isAt } from "../plane/hits.js";
import { t } from "../state/language.js";
import { Editing } from "./editing.js";
import { eraser, hand, select } from "./tools.js";
import { Writing } from "./writing.js";

/** Reasons of rejections that the page has words for; if somebody else was quicker, nothing is said. */
const REJECTIONS = ["boardFull", "strokeFull", "outOfRange", "malformed", "readOnly", "boardLocked", "muted", "hostOnly"];
const OVERTAKEN = ["noSuchElement", "slotFree"];

/**
 * @typedef {object} Page what a desk needs of the page around it
 * @property {import("../session/session.js").Session} session
 * @property {import("../canvas/stage.js").Stage} stage
 * @property {import("../state/camera.js").Camera} camera
 * @property {import("../canvas/gridlines.js").Gridlines} gridlines
 * @property {import("../panels/toolbar.js").Toolbar} toolbar
 * @property {import("../session/presence.js").Presence} presence
 * @property {import("../canvas/lasers.js").Lasers} lasers
 * @property {import("../canvas/drafts.js").OwnDraft} ownDraft
 * @property {import("../panels/announcer.js").Announcer} announcer
 * @property {(words: string, values?: object) => void} say
 * @property {(element: object) => string} describe
 * @property {() => boolean} mayEdit whether the board is shown as it is now
 * @property {() => boolean} isBusy whether a gesture is under way
 * @property {(place: number[]) => void} pickFiles
 * @property {() => void} selectionChanged
 */

export class Desk {
  /** @param {Page} page @param {any} field in which texts are written */
  constructor(page, field) {
    this.page = page;
    this.session = page.session;
    this.stage = page.stage;
    this.say = page.say;
    this.selection = new Selection(this.stage, this.session, this);
    this.outline = { current: [] };
    this.stage.sketches.add(outlineSketch(this.outline));
    this.editing = new Editing(this);
    this.writing = new Writing(this, field);
  }

  // The tools' context

  get viewport() {
    return this.page.camera.viewport;
  }

  setViewport(viewport) {
    this.page.camera.see(viewport);
  }

  bringIntoSight(box) {
    this.page.camera.bringIntoSight(box);
  }

  get gridStep() {
    return this.page.gridlines.step;
  }

  snap(place) {
    return this.page.gridlines.snap(place);
  }

  get style() {
    return this.page.toolbar.style;
  }

  get firstColour() {
    return COLOURS[0];
  }

  boundsOf(element) {
    return this.stage.painter.bounds(element);
  }

  elementsAt(x, y, reach) {
    const place = this.viewport.toBoard([x, y]);
    const near = reach / this.viewport.zoom;
    const area = [place[0] - near, place[1] - near, place[0] + near, place[1] + near];
    return this.stage.elementsTouching(area).filter((element) => isAt(element, place, near, this.boundsOf(element)));
  }

  elementsIn(area) {
    return this.stage.elementsTouching(area);
  }

  showPreview(preview) {
    this.stage.setPreview(preview);
  }

  endPreview() {
    this.stage.endPreview();
  }

  showOutline(outline) {
    this.outline.current = outline?.places ?? [];
    this.stage.sketch();
  }

  /** Shows the others what is just being dragged out, or written in it. @param {object} [shape] @param {object} [text] */
  showDraft(shape, text) {
    this.page.ownDraft.show({ shape, text });
  }

  write(place, isNote) {
    this.writing.write(place, isNote);
  }

  rewrite(element) {
    this.writing.rewrite(element);
  }

  pickImage(place) {
    this.page.pickFiles(place);
  }

  shine(place) {
    this.page.lasers.shine(this.session.self, place);
    this.page.presence.shine(place);
  }

  toolIsDone() {
    if (this.page.toolbar.tool.isOneShot) this.#chooseSelect();
  }

  /** Copies were drawn, and are about to be selected. */
  copiesDrawn() {
    this.#chooseSelect();
  }

  #chooseSelect() {
    this.page.toolbar.chooseTool(select);
  }

  // Gestures

  /** A pointer or the cross of the keyboard begins: returns its gesture, if there is one. */
  begin(sample, { pans, erases }) {
    const { camera, mayEdit, presence, toolbar } = this.page;
    camera.hasMoved = true;
    const tool = pans || !mayEdit() ? hand : erases ? eraser : toolbar.tool;
    if (tool === hand) presence.follow(undefined);
    return this.attempt(() => this.#guarded(tool.start(this, sample)));
  }

  /** A gesture whose operations the board may refuse: then it says so, and the page goes on. */
  #guarded(gesture) {
    const guard = (act) => (samples) => this.attempt(() => act(samples));
    return {
      move: guard((samples) => gesture.move(samples)),
      end: guard(() => this.#end(gesture, "end")),
      cancel: guard(() => this.#end(gesture, "cancel")),
      interrupt: guard(() => this.#end(gesture, gesture.isMeant ? "end" : "cancel")),
    };
  }

  #end(gesture, how) {
    gesture[how]();
    // Whom one follows may have gone on meanwhile.
    this.page.presence.showFollowed();
  }

  /** Does something that the board may refuse, and then says why. @template T @param {() => T} act @returns {T | undefined} */
  attempt = (act) => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      this.sayRejected(error.reason);
      return undefined;
    }
  };

  /** @param {string} reason */
  sayRejected(reason) {
    if (OVERTAKEN.includes(reason)) return;
    if (REJECTIONS.includes(reason)) this.say(reason);
    else this.say("refused", { reason });
  }

  // Commands

  /** Not of what is only just being done: Escape takes that back. */
  undo() {
    if (!this.page.isBusy()) this.attempt(() => this.session.undo());
  }

  redo() {
    if (!this.page.isBusy()) this.attempt(() => this.session.redo());
  }

  /** Moves what is selected, or the board if nothing is. @param {number} dx @param {number} dy the direction @param {number} step of the selection, in CSS pixels @param {number} pan of the board */
  nudge(dx, dy, step, pan) {
    const by = step / this.viewport.zoom;
    if (this.selection.isEmpty) this.page.camera.pan(-dx * pan, -dy * pan);
    else this.attempt(() => this.editing.map(moved(dx * by, dy * by)));
  }

  selectAll() {
    this.#chooseSelect();
    this.editing.selectAll();
  }

  /** Goes to an element and selects it, if it can be. */
  goTo(element) {
    const { locked } = element.properties;
    this.page.camera.fitElement(this.boundsOf(element));
    this.#chooseSelect();
    this.selection.set(new Set(locked ? [] : [element.key]));
    if (locked) this.offerUnlock(element)?.focus();
  }

  unlockAll() {
    this.#unlock(() => this.editing.unlockAll());
  }

  /** Offers to unlock an element to a person who may; returns the button. */
  offerUnlock(element) {
    if (!this.session.access.draws) return undefined;
    const words = this.page.describe(element);
    this.page.announcer.say(`${words}: ${t("unlock")}`);
    return this.page.toolbar.offerUnlock(words, () => this.#unlock(() => this.editing.unlock(element)));
  }

  #unlock(act) {
    this.#chooseSelect();
    const count = this.attempt(act);
    if (count !== undefined) this.say("unlocked", { count });
  }

  /** Deletes what somebody drew. @param {number} author */
  clearAuthor(author) {
    this.attempt(() => {
      this.session.submit({ type: "clearAuthor", gestureBack: 0, author });
      this.say("authorCleared");
    });
  }

  // Events of the toolbar and the selection

  /** @param {import("./tools.js").Tool} tool */
  toolChosen({ keepsSelection }) {
    this.writing.finish();
    if (!keepsSelection) this.selection.clear();
  }

  styleChosen(style, changed) {
    this.attempt(() => this.editing.restyle(style, changed));
  }

  selectionChanged() {
    this.page.toolbar.showSelection(this.selection, this.selection.isEmpty ? {} : this.editing.style);
    this.page.selectionChanged();
  }
}
