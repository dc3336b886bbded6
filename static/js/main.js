// The page: puts session, connection, stage, pointers and toolbar together, and is their delegate.

import { Announcer } from "./announcer.js";
import { snapped } from "./arrange.js";
import * as arrival from "./arrival.js";
import { Rejected, keyOf } from "./board/element.js";
import { THUMBNAIL, rememberBoard } from "./boards.js";
import { commandsOf } from "./commands.js";
import { Connection } from "./connection.js";
import { Courier } from "./courier.js";
import { socketUrl } from "./dial.js";
import { Door, KEPT_OUT, NO_ROOM } from "./door.js";
import { Drafts, OwnDraft } from "./drafts.js";
import { Editing } from "./editing.js";
import { Exchange } from "./exchange.js";
import { grown, moved, wayIntoSight } from "./geometry.js";
import { Hosting, button } from "./hosting.js";
import { icon } from "./icons.js";
import {
  COLOURS, COLOUR_NAMES, comeBack, keepClient, keepLink, keepPerson, linksOf, profile, takeOthers,
} from "./identity.js";
import { Keyboard } from "./keyboard.js";
import { t, translatePage } from "./language.js";
import { Lasers } from "./laser.js";
import { Minimap } from "./minimap.js";
import { Network } from "./network.js";
import { keepForOffline } from "./offline.js";
import { CURSOR_UNITS, People, cursorOf } from "./people.js";
import { Pictures } from "./pictures.js";
import { isSecret, linkOf, linkTo, viewportOf } from "./place.js";
import { Pointers } from "./pointers.js";
import { COORDINATE } from "./protocol/limits.js";
import { Reactions } from "./reactions.js";
import { Recall } from "./recall.js";
import { Replay } from "./replay.js";
import { isAt } from "./select.js";
import { Selection, outlineSketch } from "./selection.js";
import { Session } from "./session.js";
import { Sheets } from "./sheets.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { keep, kept } from "./storage.js";
import { isDark, onDark, onThemeChange, themeColour } from "./theme.js";
import { Toolbar } from "./toolbar.js";
import { eraser, hand, select } from "./tools/tools.js";
import { Viewport } from "./viewport.js";
import { Wheel } from "./wheel.js";
import { Writing } from "./writing.js";

/** A pointer is sent at most this often, in milliseconds, and what the screen shows. */
const CURSOR_INTERVAL = 33;
const VIEW_INTERVAL = 150;
/** The small map is drawn at most so often, in milliseconds. */
const MINIMAP_INTERVAL = 60;
/** Board units between two lines of the grid, and CSS pixels that they are apart at least. */
const GRID = 20;
const GRID_APART = 12;
/** Bars that cover the board, and CSS pixels between them and the caret. */
const PANELS = "#bar > *, #beside > *, #toolbar";
const BESIDE_CARET = 16;
/** So often a picture of the board is kept for the start page, in milliseconds. */
const THUMBNAIL_INTERVAL = 20_000;

const CHOICES = { grid: "inkwire.grid", minimap: "inkwire.minimap", pen: "inkwire.pen", view: "inkwire.view", reloaded: "inkwire.reloaded" };

/** What is said of operations that are not done; of those that somebody else has overtaken, nothing. */
const REJECTIONS = ["boardFull", "strokeFull", "outOfRange", "malformed", "readOnly", "boardLocked", "muted", "hostOnly"];
const OVERTAKEN = ["noSuchElement", "slotFree"];
/** What is said of what others do to what is there. */
const CHANGES = {
  patch: "somebodyChanged", delete: "somebodyErased", clear: "somebodyCleared", clearAuthor: "somebodyCleared", undo: "somebodyUndid",
};

const at = (id) => document.querySelector(id);

/** The time between two questions about who drew a selected element. */
const CHRONICLES_APART_MS = 6_000;
const TEXT_FIELDS = "textarea, input:not([type=checkbox], [type=range], [type=color], [type=file])";

class Application {
  static async open() {
    return new Application(await arrival.identity);
  }

  constructor(identity) {
    const { boardName, outbox, link } = arrival;
    this.boardName = boardName;
    this.outbox = outbox;
    this.viewport = new Viewport();
    this.box = outbox.box(boardName, identity.clientId);
    this.comesBy = link.token;
    this.hasBrokenLink = link.isBroken;
    this.connection = new Connection(socketUrl(this.boardName), this);
    this.pictures = new Pictures(outbox, this);
    this.session = new Session(identity, this);
    this.session.credentials = { ...arrival.credentials };
    const canvases = { base: at("#base"), wet: at("#wet"), live: at("#live") };
    this.stage = new Stage(canvases, this.session, this.viewport, (hash) => this.pictures.pixelsOf(hash));
    this.selection = new Selection(this.stage, this.session, this);
    this.drafts = new Drafts(this.stage);
    this.ownDraft = new OwnDraft((messages) => this.session.joined && this.connection.send(messages), CURSOR_INTERVAL);
    this.lasers = new Lasers(this.stage, (author) => this.#colourOf(author));
    this.outline = { current: [] };
    this.stage.sketches.add(outlineSketch(this.outline));
    this.editing = new Editing(this);
    this.writing = new Writing(this, at("#writing"));
    this.exchange = new Exchange(this);
    this.toolbar = new Toolbar(this);
    this.sheets = new Sheets(this);
    this.commands = commandsOf(this);
    this.announcer = new Announcer(at("#announcer"));
    this.people = new People(this);
    this.hosting = new Hosting(this);
    this.door = new Door(this);
    this.reactions = new Reactions(this);
    this.network = new Network(this);
    this.replay = new Replay(this);
    this.recall = new Recall(this);
    this.status = new Status();
    this.pointers = new Pointers(canvases.live, this);
    this.wheel = new Wheel(canvases.live, this);
    this.keyboard = new Keyboard(canvases.live, this.stage, this);
    this.minimap = new Minimap(at("#minimap"), this.stage, this);
  }

  start() {
    translatePage();
    document.title = `${this.boardName} – Inkwire`;
    at("#board-name").textContent = this.boardName;
    at("#menu-button").append(icon("menu"));
    this.#listen();
    onThemeChange(() => this.#showTheme());
    for (const part of [this.toolbar, this.sheets, this.people, this.pointers, this.wheel, this.keyboard, this.writing, this.minimap, this.hosting, this.door, this.reactions, this.network, this.replay, this.exchange]) part.start();
    this.#showTheme();
    this.setGrid(kept("localStorage", CHOICES.grid) === true);
    this.setMinimap(kept("localStorage", CHOICES.minimap) ?? innerWidth >= 900);
    this.penMode = kept("localStorage", CHOICES.pen) === true;
    this.#comeBackToPlace();
    this.stage.painted = () => this.#painted();
    setTimeout(() => rememberBoard(this.boardName), 0);
    this.pictures.start();
    if (this.hasBrokenLink) this.#isKeptOut("forbidden", 0);
    else this.connection.start();
    // One that was put into the address while the page was being fetched.
    if (isSecret(location.hash) && !this.hasBrokenLink) this.#linkChanged();
    this.#takeHeld();
    this.#bringWhatIsLeft();
    this.elementsChanged(undefined);
    this.toolbar.showZoom(this.viewport.zoom);
    this.progressChanged();
  }

  /** Brings to the server what other tabs have left behind. */
  async #bringWhatIsLeft() {
    const { boardName, outbox } = this;
    for (const other of await takeOthers(boardName, outbox, this.session.identity)) {
      const { credentials } = this.session;
      new Courier(socketUrl(boardName), { ...other, ...profile() }, outbox.box(boardName, other.clientId), credentials).start();
    }
  }

  #listen() {
    const click = (id, act) => at(id).addEventListener("click", act);
    click("#share", () => this.#share());
    click("#status-retry", () => this.connection.restart());
    click("#offer-take", () => this.#answerOffer(() => this.session.putBack()));
    click("#offer-leave", () => this.#answerOffer(() => this.session.leaveLost()));
    click("#following-stop", () => this.follow(undefined));
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && comeBack());
    addEventListener("beforeunload", (event) => this.#warn(event));
    addEventListener("hashchange", () => this.#linkChanged());
    document.addEventListener("visibilitychange", () => document.hidden && this.#keepSight());
    at("#files").addEventListener("change", ({ target }) => this.#takePicked(target));
    this.#listenToClipboard();
    this.#listenToDrops();
  }

  #listenToClipboard() {
    const isElsewhere = ({ target }) => target.closest?.("input, textarea, dialog") !== null && target.closest !== undefined;
    const on = (type, act) => document.addEventListener(type, (event) => isElsewhere(event) || act(event));
    const copy = (event) => this.exchange.copy(event.clipboardData) && event.preventDefault();
    on("copy", copy);
    on("cut", (event) => {
      copy(event);
      if (!this.replay.isOpen) this.attempt(() => this.editing.delete());
    });
    on("paste", (event) => {
      event.preventDefault();
      if (this.replay.isOpen) return;
      this.exchange.paste(event.clipboardData, this.#pastePlace());
    });
  }

  #listenToDrops() {
    // Words that are dropped on a field are left to it; a file would take the page away.
    const isFields = ({ target, dataTransfer }) => target.closest?.(TEXT_FIELDS) && !dataTransfer.types.includes("Files");
    let isOwn = false;
    addEventListener("dragstart", () => (isOwn = true));
    addEventListener("dragend", () => (isOwn = false));
    addEventListener("dragover", (event) => isFields(event) || event.preventDefault());
    addEventListener("drop", (event) => {
      if (isFields(event)) return;
      event.preventDefault();
      // A link of the page that slips is not meant for the board.
      if (isOwn || this.replay.isOpen) return;
      this.exchange.paste(event.dataTransfer, this.viewport.toBoard([event.clientX, event.clientY]));
    });
  }

  /** As the browser's own keys do it: its clipboard takes what is copied also where a page may not write to it. @param {"copy" | "cut"} how */
  copyAsked(how) {
    document.execCommand(how);
  }

  pasteAsked() {
    this.exchange.pasteAsked(this.#pastePlace());
  }

  /** Where the pointer is, or the middle of the screen. */
  #pastePlace() {
    return this.viewport.toBoard(this.pointerAt ?? this.stage.size.map((side) => side / 2));
  }

  /** The page goes away: what is being drawn is finished, and a reload goes on as the same client. */
  #leave() {
    this.writing.finish();
    this.session.endLiveStrokes();
    this.#send();
    this.box.flush();
    keepClient(this.boardName, this.session.identity, this.session.nextCseq);
    const { x, y, zoom } = this.viewport;
    keep("sessionStorage", CHOICES.view, { board: this.boardName, x, y, zoom });
    this.#keepSight();
  }

  /** What is seen now, for the start page and for when there is no server. */
  #keepSight() {
    this.#keepThumbnail();
    this.recall.keep();
  }

  /** Where the browser keeps nothing, ink that the server does not have would go with the tab. */
  #warn(event) {
    if (!this.outbox.keeps && this.session.pending.length > 0) event.preventDefault();
  }

  #answerOffer(act) {
    at("#offer").hidden = true;
    this.attempt(act);
    if (this.session.lost.length > 0) this.inkWasHeld(this.session.lost.length);
  }

  /** What was not taken when this browser was here last is offered again. */
  async #takeHeld() {
    const held = await this.outbox.held(this.boardName);
    this.session.lost.push(...held);
    if (held.length > 0) this.inkWasHeld(this.session.lost.length);
  }

  /** A host hands out links; everybody else the way that they came themselves. */
  async #share() {
    if (this.session.access.role === "host" || this.#comesAsHost) return this.hosting.open();
    // The link may be a host's as long as the server has not said what it is.
    if (this.comesBy && !this.knowsAccess) return this.say("notSent");
    return this.copyLink(location.href.replace(/#.*/, "") + linkOf(this.comesBy), this.session.access.role === "viewer" ? "linkCopiedToLook" : "linkCopied");
  }

  get #comesAsHost() {
    return this.comesBy !== undefined && this.comesBy === linksOf(this.boardName).host;
  }

  copyPlace() {
    const link = location.href.replace(/#.*/, "") + linkTo(this.viewport, this.stage.size);
    return this.copyLink(link, "placeCopied");
  }

  async copyLink(link, words, values) {
    try {
      await navigator.clipboard.writeText(link);
      this.say(words, values);
    } catch {
      this.sheets.showLink(link);
    }
  }

  // Who may do what

  #linkChanged() {
    if (!isSecret(location.hash)) return void this.#goToLink();
    const { token, isBroken } = arrival.takeLink();
    this.comesBy = token;
    this.knowsAccess = false;
    this.hasBrokenLink = isBroken;
    this.session.credentials.token = token;
    this.#goIn();
  }

  /** From now on this browser comes to the board by another link, or without one. @param {string | undefined} token */
  comeBy(token) {
    this.comesBy = token;
    this.hasBrokenLink = false;
    this.session.credentials = { ...this.session.credentials, token };
    keepLink(this.boardName, "own", token);
  }

  get hasLink() {
    return this.comesBy !== undefined || this.hasBrokenLink;
  }

  /** Half a link is not taken for none: it would let in as somebody else, or not at all. */
  #goIn() {
    if (this.hasBrokenLink) this.#isKeptOut("forbidden", 0);
    else this.knock("");
  }

  /** Tries to come in, with a password where there is one. */
  knock(password) {
    this.session.credentials = { ...this.session.credentials, password };
    this.connection.stop();
    this.connection.restart();
  }

  comeWithoutLink() {
    this.comeBy(undefined);
    this.knock("");
  }

  /** Sends something that is not kept; returns whether there is a connection. */
  send(message) {
    return this.session.joined && this.connection.send([message]);
  }

  /** Sends something that a person asked for and that is not kept; says so without a connection. */
  ask(message) {
    const isSent = this.send(message);
    if (!isSent) this.say("notSent");
    return isSent;
  }

  moderate(action) {
    return this.hosting.order(action);
  }

  clearAuthor(author) {
    this.attempt(() => {
      this.session.submit({ type: "clearAuthor", gestureBack: 0, author });
      this.say("authorCleared");
    });
  }

  toggleHand() {
    this.people.toggleHand();
  }

  accessChanged() {
    const { role, draws, hosted } = this.session.access;
    this.knowsAccess = true;
    document.body.dataset.role = hosted ? role : "";
    document.body.dataset.draws = String(draws);
    if (hosted && role === "host") keepLink(this.boardName, "host", this.comesBy);
    this.#showStanding();
    this.hosting.accessChanged();
    this.people.showHands();
    this.door.close();
    if (draws) at("#offer-take").hidden = false;
  }

  #showStanding() {
    const { access, whyNot, pending } = this.session;
    if (at("#standing").hidden !== access.draws) at("#standing").hidden = access.draws;
    if (access.draws) return;
    const standing = t(`standing.${whyNot}`);
    const words = pending.length > 0 ? t("keptForLater", { standing, count: pending.length }) : standing;
    if (at("#standing").textContent !== words) at("#standing").textContent = words;
  }

  copiesHeld(all) {
    for (const held of all) this.box.hold(held);
  }

  copyLetGo(held) {
    this.box.letHeldGo(held);
  }

  inkWasHeld(count) {
    at("#offer-text").textContent = t("heldInk", { count });
    at("#offer-take").hidden = !this.session.access.draws;
    at("#offer").hidden = false;
  }

  reacted(author, reaction) {
    this.reactions.show(author, reaction);
  }

  answered(message) {
    this.hosting.answered(message);
    this.replay.answered(message);
  }

  /** The board that is seen: the live one, or that of a moment of the past. */
  get shownBoard() {
    return this.replay.shown;
  }

  chronicled() {
    this.#showOrigin();
  }

  /** Of one element that is selected, who drew it and when. */
  #showOrigin() {
    const { elements } = this.selection;
    at("#origin").hidden = elements.length !== 1;
    if (elements.length !== 1) return;
    // It is asked for anew while it may still grow.
    const isNew = elements[0].seq > (this.chronicleOf ?? -1) && performance.now() > (this.chronicleAgainAt ?? 0);
    if (isNew && this.session.joined && this.session.storage !== "memory") {
      // The server answers it again only now and then.
      this.chronicleAgainAt = performance.now() + CHRONICLES_APART_MS;
      this.chronicleOf = this.session.log.seq;
      this.connection.send([{ type: "chronicle" }]);
    }
    const { author } = elements[0];
    const { role, hosted } = this.session.access;
    const words = this.replay.originOf(elements[0]);
    // Who has gone, or was sent away, has left ink behind.
    const clears = hosted && role === "host" && author !== this.session.self;
    at("#origin").replaceChildren(words, ...(clears ? [button("clearAuthor", words, () => this.clearAuthor(author))] : []));
  }

  slowedDown(ms) {
    this.slowedUntil = performance.now() + Math.min(ms, 2_000);
    this.connection.goesUnread(ms);
  }

  /** Says something for a few seconds. */
  say(key, values) {
    this.status.say(t(key, values));
  }

  // Where the screen is

  /** To where this tab was, where it is only loaded anew, or to where a link points. */
  #comeBackToPlace() {
    const [navigation] = performance.getEntriesByType("navigation");
    const isReload = /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.type === "reload";
    if (!isReload && this.#goToLink()) return;
    const view = kept("sessionStorage", CHOICES.view);
    const numbers = [view?.x, view?.y, view?.zoom];
    if (view?.board === this.boardName && numbers.every(Number.isFinite)) this.setViewport(new Viewport(...numbers));
    else this.#goToLink();
  }

  #goToLink() {
    const viewport = viewportOf(location.hash, this.stage.size);
    if (viewport) this.setViewport(viewport);
    return viewport !== undefined;
  }

  setViewport(viewport) {
    this.hasMoved = true;
    this.viewport = viewport;
    this.stage.setViewport(viewport);
    this.people.placeCursors();
    this.writing.place();
    this.#showGrid();
    this.#sendViewSoon();
    this.toolbar.showZoom(viewport.zoom);
  }

  /** The person moves the board: nobody is followed any more. */
  #moveTo(viewport) {
    this.follow(undefined);
    this.setViewport(viewport);
  }

  /** Puts a place of the board in the middle of the screen. @param {number[]} place */
  goTo([x, y], zoom = this.viewport.zoom) {
    const [width, height] = this.stage.size;
    this.#moveTo(new Viewport(x - width / 2 / zoom, y - height / 2 / zoom, zoom));
  }

  goToElement(element) {
    this.#moveTo(Viewport.around(this.boundsOf(element), this.stage.size, 120));
    this.toolbar.chooseTool(select);
    this.selection.set(new Set(element.properties.locked ? [] : [element.key]));
    if (element.properties.locked) this.offerUnlock(element)?.focus();
  }

  zoomAsked(factor) {
    this.#moveTo(this.viewport.zoomed(factor, this.stage.size.map((side) => side / 2)));
  }

  zoomTo(zoom) {
    this.zoomAsked(zoom / this.viewport.zoom);
  }

  fitAsked() {
    const bounds = this.stage.contentBounds;
    this.#moveTo(bounds ? Viewport.around(bounds, this.stage.size) : new Viewport());
  }

  fitSelection() {
    this.#moveTo(Viewport.around(this.selection.box, this.stage.size));
  }

  fingersPinched(before, after) {
    this.#moveTo(this.viewport.pinched(before, after));
  }

  wheelPanned(dx, dy) {
    this.#moveTo(this.viewport.panned(dx, dy));
  }

  wheelZoomed(factor, point) {
    this.#moveTo(this.viewport.zoomed(factor, point));
  }

  /** Goes where somebody goes, or stops to. @param {number | undefined} author */
  follow(author) {
    if (author === this.followed) return;
    this.followed = author;
    this.followedView = undefined;
    this.#sendViewSoon();
    this.#showFollowed();
  }

  #showFollowed() {
    const followed = this.session.people.get(this.followed);
    if (!followed) this.followed = undefined;
    at("#following").hidden = !followed;
    if (!followed) return;
    at("#following-text").textContent = t("following", { name: followed.name });
    const view = followed.view?.map((side) => side / CURSOR_UNITS);
    // The board stays where it is under a pointer that draws.
    if (this.#isBusy) return;
    if (view && view.join() !== this.followedView) this.setViewport(Viewport.around(view, this.stage.size, 0, Infinity));
    this.followedView = view?.join();
  }

  #sendViewSoon() {
    this.viewTimer ??= setTimeout(() => this.#sendView(), VIEW_INTERVAL);
  }

  #sendView() {
    this.viewTimer = undefined;
    if (!this.session.joined) return;
    // Whoever follows looks where the other looks, no further: two who follow each other would move away for ever.
    const followed = this.session.people.get(this.followed)?.view;
    const view = followed ?? this.viewport.bounds(this.stage.size).map((side) => Math.round(side * CURSOR_UNITS));
    const isWithin = view.every((side) => Math.abs(side) <= COORDINATE);
    this.connection.send([isWithin ? { type: "view", view } : { type: "view" }]);
  }

  // The grid, the small map, the theme

  /** Board units between two places to which things snap; `undefined` where they do not. */
  get gridStep() {
    return this.hasGrid ? this.#gridStep : undefined;
  }

  get #gridStep() {
    return GRID * 2 ** Math.max(0, Math.ceil(Math.log2(GRID_APART / GRID / this.viewport.zoom)));
  }

  snap(place) {
    return this.hasGrid ? snapped(place, this.#gridStep) : place;
  }

  toggleGrid() {
    this.chooseGrid(!this.hasGrid);
  }

  chooseGrid(isShown) {
    this.setGrid(isShown);
    keep("localStorage", CHOICES.grid, isShown);
  }

  setGrid(isShown) {
    this.hasGrid = isShown;
    this.#showGrid();
  }

  #showGrid() {
    const surface = at("#surface");
    surface.classList.toggle("grid", this.hasGrid === true);
    if (!this.hasGrid) return;
    const step = this.#gridStep * this.viewport.zoom;
    const [x, y] = this.viewport.toScreen([0, 0]);
    surface.style.setProperty("--step", `${step}px`);
    surface.style.setProperty("--at", `${x - step / 2}px ${y - step / 2}px`);
  }

  toggleMinimap() {
    this.chooseMinimap(!this.hasMinimap);
  }

  chooseMinimap(isShown) {
    this.setMinimap(isShown);
    keep("localStorage", CHOICES.minimap, isShown);
  }

  setMinimap(isShown) {
    this.hasMinimap = isShown;
    at("#minimap").hidden = !isShown;
    this.minimap.draw();
  }

  #showTheme() {
    this.stage.painter.shown = isDark() ? onDark : (colour) => colour;
    this.toolbar.showColours(this.stage.painter.shown);
    this.stage.looksChanged();
  }

  #drawMinimapSoon() {
    this.minimapTimer ??= setTimeout(() => {
      this.minimapTimer = undefined;
      this.minimap.draw();
    }, MINIMAP_INTERVAL);
  }

  #painted() {
    if (!this.stage.isZooming) this.#drawMinimapSoon();
    this.thumbnailTimer ??= setTimeout(() => {
      this.thumbnailTimer = undefined;
      this.#keepThumbnail();
    }, THUMBNAIL_INTERVAL);
  }

  #keepThumbnail() {
    const { canvas = undefined, shows = undefined } = this.stage.tiles.overview ?? {};
    if (!canvas || !shows || canvas === this.keptPicture) return rememberBoard(this.boardName);
    this.keptPicture = canvas;
    const small = document.createElement("canvas");
    [small.width, small.height] = THUMBNAIL;
    const context = small.getContext("2d");
    context.fillStyle = themeColour("paper");
    context.fillRect(0, 0, small.width, small.height);
    const scale = Math.min((small.width - 12) / canvas.width, (small.height - 12) / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    context.drawImage(canvas, (small.width - width) / 2, (small.height - height) / 2, width, height);
    return rememberBoard(this.boardName, small.toDataURL("image/webp", 0.7));
  }

  // What tools use

  get style() {
    return this.toolbar.style;
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

  write(place, isNote) {
    this.writing.write(place, isNote);
  }

  /** Moves the board so that a box of the screen is seen: within what a keyboard leaves of it, and below no panel. */
  bringIntoSight(box) {
    const sides = ({ left, top, right, bottom }) => [left, top, right, bottom];
    const { offsetLeft, offsetTop, width, height } = visualViewport;
    const screen = sides(new DOMRect(offsetLeft, offsetTop, width, height));
    const panels = Array.from(document.querySelectorAll(PANELS), (it) => sides(it.getBoundingClientRect()));
    const [dx, dy] = wayIntoSight(grown(box, BESIDE_CARET), screen, panels.filter(([left, , right]) => right > left));
    if (Math.abs(dx) + Math.abs(dy) >= 1) this.#moveTo(this.viewport.panned(dx, dy));
  }

  rewrite(element) {
    this.writing.rewrite(element);
  }

  toolIsDone() {
    if (["text", "note", "image"].includes(this.toolbar.tool.name)) this.toolbar.chooseTool(select);
  }

  pickImage(place) {
    this.filesAt = place;
    at("#files").click();
  }

  pickFiles() {
    this.pickImage(this.#pastePlace());
  }

  async #takePicked(input) {
    const files = Array.from(input.files);
    input.value = "";
    await this.exchange.take(files, this.filesAt);
    this.toolIsDone();
  }

  shine(place) {
    this.lasers.shine(this.session.self, place);
    this.laserAt = cursorOf(place, COORDINATE);
    this.#sendCursorSoon();
  }

  /** Shows the others what is just being dragged out, or written in it. @param {object} [shape] @param {object} [text] */
  showDraft(shape, text) {
    this.ownDraft.show({ shape, text });
  }

  #colourOf(author) {
    return (this.session.people.get(author)?.colour ?? this.session.identity.colour).slice(0, 7);
  }

  // Pointers and keyboard delegate

  pointerWentDown(sample, { pans, erases }) {
    this.hasMoved = true;
    const tool = pans || this.replay.isOpen ? hand : erases ? eraser : this.toolbar.tool;
    if (tool === hand) this.follow(undefined);
    return this.attempt(() => this.#guarded(tool.start(this, sample)));
  }

  /** A gesture whose operations the board may refuse: then it says so, and the page goes on. */
  #guarded(gesture) {
    const guard = (act) => (samples) => this.attempt(() => act(samples));
    return {
      move: guard((samples) => gesture.move(samples)),
      end: guard(() => this.#ended(gesture, "end")),
      cancel: guard(() => this.#ended(gesture, "cancel")),
      interrupt: guard(() => this.#ended(gesture, gesture.isMeant ? "end" : "cancel")),
    };
  }

  #ended(gesture, how) {
    gesture[how]();
    // Whom one follows may have gone on meanwhile.
    this.#showFollowed();
  }

  /** Does something that the board may refuse, and then says why. */
  attempt(act) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      this.operationRejected(error.reason);
      return undefined;
    }
  }

  pointerMoved({ x, y }) {
    this.pointerAt = [x, y];
    this.cursor = cursorOf(this.viewport.toBoard([x, y]), COORDINATE);
    this.#sendCursorSoon();
  }

  pointersLeft() {
    this.pointerAt = this.cursor = undefined;
    this.#sendCursorSoon();
  }

  #sendCursorSoon() {
    this.cursorTimer ??= setTimeout(() => this.#sendCursor(), CURSOR_INTERVAL);
  }

  #sendCursor() {
    const { cursor, laserAt } = this;
    this.cursorTimer = this.laserAt = undefined;
    if (!this.session.joined) return;
    // Also of a laser that is out already: a flick is over before anything was sent of it.
    if (laserAt) this.connection.send([{ type: "laser", at: laserAt }]);
    else this.connection.send([cursor ? { type: "presence", cursor } : { type: "presence" }]);
  }

  fingersTapped(count) {
    if (this.replay.isOpen) return;
    if (count === 2) this.undoAsked();
    else if (count === 3) this.redoAsked();
  }

  penSeen() {
    if (kept("localStorage", CHOICES.pen) !== undefined) return;
    this.setPenMode(true);
    if (navigator.maxTouchPoints > 0) this.say("penModeOn");
  }

  movementTakenBack(viewport) {
    this.setViewport(viewport);
  }

  setPenMode(isOn) {
    this.penMode = isOn;
    keep("localStorage", CHOICES.pen, isOn);
  }

  keyPressed(event) {
    if (this.replay.isOpen && event.key === "Escape") {
      this.replay.close();
      return true;
    }
    return this.toolbar.keyPressed(event);
  }

  get #isBusy() {
    return this.pointers.isBusy || this.keyboard.gesture !== undefined;
  }

  pointersTakenBack() {
    return this.pointers.takeBack();
  }

  crossPressed(isDown) {
    this.announcer.say(t(isDown ? "penDown" : "penUp"));
  }

  focusBoard() {
    at("#live").focus({ focusVisible: true });
  }

  /** Moves what is selected, or where nothing is the board. */
  nudge(dx, dy, step, pan) {
    const by = step / this.viewport.zoom;
    if (this.selection.isEmpty) this.#moveTo(this.viewport.panned(-dx * pan, -dy * pan));
    else this.attempt(() => this.editing.map(moved(dx * by, dy * by)));
  }

  // Toolbar and selection delegate

  /** Not of what is only just being done: Escape takes that back. */
  undoAsked() {
    if (!this.#isBusy) this.attempt(() => this.session.undo());
  }

  redoAsked() {
    if (!this.#isBusy) this.attempt(() => this.session.redo());
  }

  /** What was just drawn is selected, and can be moved. */
  copiesDrawn() {
    this.toolbar.chooseTool(select);
  }

  selectAll() {
    this.toolbar.chooseTool(select);
    this.editing.selectAll();
  }

  unlockAll() {
    this.#unlocks(() => this.editing.unlockAll());
  }

  /** Offers to unlock an element to a person who may; returns the button. */
  offerUnlock(element) {
    if (!this.session.access.draws) return undefined;
    const words = this.describe(element);
    this.announcer.say(`${words}: ${t("unlock")}`);
    return this.toolbar.offerUnlock(words, () => this.#unlocks(() => this.editing.unlock(element)));
  }

  #unlocks(act) {
    this.toolbar.chooseTool(select);
    const count = this.attempt(act);
    if (count !== undefined) this.say("unlocked", { count });
  }

  toolChosen({ name }) {
    this.writing.finish();
    if (name !== "select" && name !== "lasso") this.selection.clear();
  }

  styleChosen(style, changed) {
    this.attempt(() => this.editing.restyle(style, changed));
  }

  selectionChanged() {
    this.toolbar.showSelection(this.selection, this.selection.isEmpty ? {} : this.editing.style);
    this.#showOrigin();
  }

  // People delegate

  /** This person is known by another name or colour from now on, on every board of this browser. */
  introduced({ name = this.session.identity.name, colour = this.session.identity.colour.slice(0, 7) }) {
    const { identity } = this.session;
    Object.assign(identity, { name, colour: `${colour}ff` });
    keepPerson({ name, colour });
    if (this.session.joined) this.connection.send([{ type: "profile", name, colour: identity.colour }]);
  }

  /** What an element is, in words. */
  describe({ kind, content, author, properties }) {
    const name = this.#nameOf(author);
    const named = t(kind === "shape" ? content.kind : kind);
    if (properties.text) return t("textOf", { kind: named, text: properties.text.slice(0, 80), name });
    return t("objectOf", { kind: named, colour: colourName(properties.colour), name });
  }

  // Pictures delegate

  pictureArrived(hash) {
    this.stage.pictureArrived(hash);
  }

  pictureRefused(state) {
    this.say(state === "full" ? "pictureFull" : "pictureRefusedByServer");
  }

  sendPart(message) {
    return this.session.joined && this.connection.send([message]);
  }

  get waiting() {
    return this.connection.waiting;
  }

  // Session delegate

  elementsChanged(keys) {
    // The past does not change.
    if (keys === undefined || !this.replay?.isOpen) this.stage.elementsChanged(keys);
    this.selection.elementsChanged(keys);
    this.sheets.elementsChanged();
  }

  /** Tells what others did to what is there. */
  #announceChanges(entries) {
    for (const { author, operation } of entries) {
      const words = CHANGES[operation.type];
      if (!words || author === this.session.self) continue;
      const elements = operation.elements ?? (operation.element ? [operation.element] : []);
      this.announcer.did(words, this.#nameOf(author), elements.map((it) => keyOf(it.author || author, it.cseq)));
    }
  }

  #nameOf(author) {
    return this.session.people.get(author)?.name ?? t("somebody");
  }

  /** Tells what others have finished. */
  #announceDrawn() {
    for (const key of this.session.finished) {
      const { author = this.session.self, visible = false } = this.session.board.element(key) ?? {};
      if (visible && author !== this.session.self) this.announcer.did("somebodyDrew", this.#nameOf(author), [key]);
    }
  }

  /** @param {boolean} isOnlyMovement whether nobody came, went, or is called or does anything else than before */
  peopleChanged(isOnlyMovement) {
    if (isOnlyMovement) this.people.placeCursors();
    else this.#peopleCameOrWent();
    if (this.followed !== undefined) this.#showFollowed();
  }

  #peopleCameOrWent() {
    this.people.update();
    this.drafts.keepOf(this.session.people);
    this.#drawMinimapSoon();
  }

  // Minimap delegate

  /** Where the others look, in board units, each with the person's colour. */
  get otherViews() {
    const { people, self } = this.session;
    const others = Array.from(people).filter(([author, { view }]) => view && author !== self);
    return others.map(([, { view, colour }]) => ({ view: view.map((side) => side / CURSOR_UNITS), colour: colour.slice(0, 7) }));
  }

  laserShone(author, at) {
    if (author !== this.session.self) this.lasers.shine(author, at.map((side) => side / CURSOR_UNITS));
  }

  draftChanged(author, shape) {
    if (author !== this.session.self) this.drafts.show(author, shape);
  }

  writingChanged(author, text) {
    if (author !== this.session.self) this.drafts.showWriting(author, text);
  }

  viewChanged() {
    this.#drawMinimapSoon();
  }

  imageAnswered(answer) {
    this.pictures.answered(answer);
  }

  progressChanged() {
    if (!this.minimap) return;
    const history = this.session.board.history(this.session.self);
    const [undoable, redoable] = [history.undoable !== undefined, history.redoable !== undefined];
    this.toolbar.show({ undoable, redoable });
    this.#showStanding();
    if (!this.outbox.keeps) this.#warnOnce();
    const { pending, received, storage } = this.session;
    const { state, failures } = this.connection;
    const ink = { unsent: pending.length, unsaved: pending.length + received.length, storage };
    this.status.show(state, { ...ink, failures, keeps: this.outbox.keeps });
  }

  #wasWarned = false;

  /** Storage is full or forbidden: what is drawn is sent all the same. */
  #warnOnce() {
    if (!this.#wasWarned) this.say("keepsNothing");
    this.#wasWarned = true;
  }

  operationKept(cseq, operation) {
    this.box.keep(cseq, operation, this.session.epoch);
  }

  operationsLetGo(first, last) {
    this.box.letGo(first, last);
  }

  operationsReplaced(operations) {
    this.box.replace(operations, this.session.epoch);
  }

  inkWasLost(count) {
    at("#offer-take").hidden = !this.session.access.draws;
    at("#offer-text").textContent = t("lostInk", { count });
    at("#offer").hidden = false;
  }

  operationRejected(reason) {
    if (OVERTAKEN.includes(reason)) return;
    if (REJECTIONS.includes(reason)) this.say(reason);
    else this.say("refused", { reason });
  }

  toldGoodbye({ reason, retryMs }) {
    if (reason === "deleted") this.recall.forget();
    if (reason === "replaced" || reason === "deleted") this.#stop(reason);
    else if (KEPT_OUT.includes(reason)) this.#isKeptOut(reason, retryMs);
    else if (reason === "restart") this.connection.retryAfter(retryMs * (0.5 + Math.random()));
    else if (reason === "malformed" && this.session.wasMalformed()) this.operationRejected("malformed");
  }

  #isKeptOut(reason, retryMs) {
    // A host link that was made anew elsewhere is one no more.
    if (this.#comesAsHost) keepLink(this.boardName, "host", undefined);
    this.#stop(reason);
    if (!NO_ROOM.includes(reason)) this.recall.forget();
    this.door.show(reason, retryMs);
  }

  #stop(reason) {
    this.status.stoppedBecause(reason);
    this.connection.stop();
  }

  /** What is submitted in one turn goes into one packet. */
  hasMessages() {
    if (this.sending) return;
    this.sending = true;
    const send = () => {
      this.sending = false;
      this.#send();
    };
    // Whoever was told to slow down sends less often, and more at once: what is drawn is seen here all the same.
    const wait = (this.slowedUntil ?? 0) - performance.now();
    if (wait > 0) setTimeout(send, wait);
    else queueMicrotask(send);
  }

  #send() {
    for (const message of this.session.takeMessages()) this.connection.send([message]);
  }

  // Connection delegate

  firstMessages() {
    return this.session.greeting();
  }

  receivedMessages(messages) {
    const { epoch, isCaughtUp } = this.session;
    const flushes = messages.filter(({ type }) => type === "operations");
    if (flushes.length > 0) this.network.flushed();
    const entries = flushes.flatMap((flush) => flush.entries);
    // The finished element comes before the news that its draft is gone.
    for (const { author, operation } of entries) this.drafts.drawn(author, operation.type);
    if (isCaughtUp) this.#announceChanges(entries);
    this.session.receive(messages);
    this.writing.heard();
    if (isCaughtUp) this.#announceDrawn();
    if (messages.some(({ type }) => type === "welcome")) {
      this.pictures.joined(this.session.epoch !== epoch || this.session.storage !== "disk");
      this.#sendViewSoon();
      this.replay.joined();
    }
    if (!this.hasMoved && this.session.isCaughtUp) this.#showAll();
  }

  /** The board is seen as it was kept on this device. */
  recalled() {
    if (!this.hasMoved) this.#showAll();
  }

  /** Whoever opens a board sees all that is drawn, where the screen does not show it anyway. */
  #showAll() {
    this.hasMoved = true;
    const bounds = this.stage.contentBounds;
    if (!bounds) return;
    const [left, top, right, bottom] = this.viewport.bounds(this.stage.size);
    const isSeen = bounds[0] >= left && bounds[1] >= top && bounds[2] <= right && bounds[3] <= bottom;
    if (!isSeen) this.fitAsked();
  }

  /**
   * A packet could not be read. If it has something that this page does not know, the page is too old for the server, and is loaded
   * again; once, because the server may have no newer one.
   */
  packetFailed({ rule = undefined }) {
    const { version } = document.documentElement.dataset;
    if (rule !== "unknownValue" || kept("sessionStorage", CHOICES.reloaded) === version) return;
    keep("sessionStorage", CHOICES.reloaded, version);
    this.say("outdated");
    this.reload();
  }

  /** Loads the page anew, as who one is. */
  reload() {
    location.reload();
  }

  stateChanged(state) {
    if (state === "online") this.#cameOnline();
    else this.session.left();
    if (state === "waiting") {
      this.network.wasLost();
      this.recall.keep();
      this.recall.show();
    }
    this.hosting.connectionChanged();
    this.progressChanged();
  }

  #cameOnline() {
    if (!this.wasOnline) keepForOffline("../", () => this.connection.state === "online");
    this.wasOnline = true;
  }
}

function colourName(colour) {
  const index = COLOURS.indexOf(colour.slice(0, 7));
  return t(index < 0 ? "otherColourOf" : COLOUR_NAMES[index]);
}

// For tests, and for whoever looks around in the console.
globalThis.inkwire = await Application.open();
globalThis.inkwire.start();
