// The page: puts session, connection, stage, pointers and toolbar together, and is their delegate.

import { Rejected } from "./board/element.js";
import { Connection } from "./connection.js";
import { Courier } from "./courier.js";
import { comeBack, keepClient, keepPerson, person, shortened, takeClients } from "./identity.js";
import { Outbox } from "./outbox.js";
import { People, cursorOf } from "./people.js";
import { Pointers } from "./pointers.js";
import { COORDINATE, NAME } from "./protocol/limits.js";
import { Session } from "./session.js";
import { Stage } from "./stage.js";
import { Status } from "./status.js";
import { Toolbar } from "./toolbar.js";
import { eraser, isAt } from "./tools/eraser.js";
import { hand } from "./tools/hand.js";
import { Viewport } from "./viewport.js";

/** A pointer is sent at most this often, in milliseconds. */
const CURSOR_INTERVAL = 33;

const REJECTIONS = {
  boardFull: "This board is full: nothing more can be added.",
  strokeFull: "That stroke was too long.",
  outOfRange: "Nothing can be drawn this far out.",
  malformed: "Something that was drawn could not be sent and is let go.",
  noSuchElement: undefined,
  slotFree: undefined,
};

class Application {
  static async open() {
    const boardName = location.pathname.split("/").pop();
    const outbox = await Outbox.open();
    const clients = await takeClients(boardName, outbox);
    return new Application(boardName, outbox, clients);
  }

  constructor(boardName, outbox, clients) {
    this.boardName = boardName;
    this.outbox = outbox;
    this.viewport = new Viewport();
    const { name, colour } = person();
    const [identity, ...others] = clients.map((client) => ({ ...client, name: shortened(name, NAME), colour: `${colour}ff` }));
    this.box = outbox.box(boardName, identity.clientId);
    this.session = new Session(identity, this);
    this.couriers = others.map(
      (other) => new Courier(socketUrl(boardName), other, outbox.box(boardName, other.clientId)),
    );
    const canvases = { base: document.querySelector("#base"), live: document.querySelector("#live") };
    this.stage = new Stage(canvases, this.session, this.viewport);
    this.connection = new Connection(socketUrl(this.boardName), this);
    this.toolbar = new Toolbar(this);
    this.people = new People(this);
    this.status = new Status();
    this.pointers = new Pointers(canvases.live, this);
  }

  start() {
    document.title = `${this.boardName} – Inkwire`;
    document.querySelector("#board-name").textContent = this.boardName;
    document.querySelector("#share").addEventListener("click", () => this.#share());
    document.querySelector("#status-retry").addEventListener("click", () => this.connection.restart());
    document.querySelector("#offer-take").addEventListener("click", () => this.#answerOffer(() => this.session.putBack()));
    document.querySelector("#offer-leave").addEventListener("click", () => this.#answerOffer(() => (this.session.lost = [])));
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && comeBack());
    addEventListener("beforeunload", (event) => this.#warn(event));
    this.toolbar.start();
    this.people.start();
    this.pointers.start();
    this.connection.start();
    for (const courier of this.couriers) courier.start();
    this.elementsChanged(undefined);
    this.progressChanged();
  }

  /** The page goes away: what is being drawn is finished, and a reload goes on as the same client. */
  #leave() {
    this.session.endLiveStrokes();
    this.#send();
    this.box.flush();
    keepClient(this.boardName, this.session.identity, this.session.nextCseq);
  }

  /** Where the browser keeps nothing, ink that the server does not have would go with the tab. */
  #warn(event) {
    if (!this.outbox.keeps && this.session.pending.length > 0) event.preventDefault();
  }

  #answerOffer(act) {
    document.querySelector("#offer").hidden = true;
    this.#tried(act);
    if (this.session.lost.length > 0) this.inkWasLost(this.session.lost.length);
  }

  async #share() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.status.say("Link copied: whoever opens it draws along.");
    } catch {
      this.status.say(`Share this link: ${location.href}`);
    }
  }

  // What tools use

  get style() {
    return this.toolbar.style;
  }

  setViewport(viewport) {
    this.hasMoved = true;
    this.viewport = viewport;
    this.stage.setViewport(viewport);
    this.people.placeCursors();
    this.progressChanged();
  }

  elementsAt(x, y, reach) {
    const place = this.viewport.toBoard([x, y]);
    const near = reach / this.viewport.zoom;
    const bounds = (element) => this.stage.painter.bounds(element);
    return Array.from(this.session.board.visible()).filter((element) => isAt(element, place, near, bounds(element)));
  }

  // Pointers delegate

  pointerWentDown(sample, { pans, erases }) {
    this.hasMoved = true;
    const tool = pans ? hand : erases ? eraser : this.toolbar.tool;
    return this.#tried(() => guarded(tool.start(this, sample)));
  }

  /** Does something that the board may refuse, and then says why. */
  #tried(act) {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      this.operationRejected(error.reason);
      return undefined;
    }
  }

  pointerMoved({ x, y }) {
    this.cursor = cursorOf(this.viewport.toBoard([x, y]), COORDINATE);
    this.cursorTimer ??= setTimeout(() => this.#sendCursor(), CURSOR_INTERVAL);
  }

  pointersLeft() {
    this.cursor = undefined;
    this.cursorTimer ??= setTimeout(() => this.#sendCursor(), CURSOR_INTERVAL);
  }

  #sendCursor() {
    this.cursorTimer = undefined;
    if (!this.session.joined) return;
    this.connection.send([this.cursor ? { type: "presence", cursor: this.cursor } : { type: "presence" }]);
  }

  fingersPinched(before, after) {
    this.setViewport(this.viewport.pinched(before, after));
  }

  wheelPanned(dx, dy) {
    this.setViewport(this.viewport.panned(dx, dy));
  }

  wheelZoomed(factor, point) {
    this.setViewport(this.viewport.zoomed(factor, point));
  }

  // Toolbar delegate

  undoAsked() {
    this.session.undo();
  }

  redoAsked() {
    this.session.redo();
  }

  zoomAsked(factor) {
    const [width, height] = this.stage.size;
    this.setViewport(this.viewport.zoomed(factor, [width / 2, height / 2]));
  }

  fitAsked() {
    const bounds = this.stage.contentBounds;
    this.setViewport(bounds ? Viewport.around(bounds, ...this.stage.size) : new Viewport());
  }

  // People delegate

  renamed(name) {
    const { identity } = this.session;
    identity.name = name;
    keepPerson({ name, colour: identity.colour.slice(0, 7) });
    if (this.session.joined) this.connection.send([{ type: "profile", name, colour: identity.colour }]);
  }

  // Session delegate

  elementsChanged(keys) {
    this.stage.elementsChanged(keys);
  }

  peopleChanged() {
    this.people.update();
  }

  progressChanged() {
    if (!this.connection) return;
    const history = this.session.board.history(this.session.self);
    const [undoable, redoable] = [history.undoable !== undefined, history.redoable !== undefined];
    this.toolbar.show({ undoable, redoable, zoom: this.viewport.zoom });
    const { pending, received, storage } = this.session;
    this.status.show(this.connection.state, { unsent: pending.length, unsaved: pending.length + received.length, storage });
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
    const what = count === 1 ? "one thing that you drew is" : `${count} things that you drew are`;
    document.querySelector("#offer-text").textContent = `This board was put back to an earlier state: ${what} not on it.`;
    document.querySelector("#offer").hidden = false;
  }

  operationRejected(reason) {
    const words = reason in REJECTIONS ? REJECTIONS[reason] : `The server did not take that: ${reason}.`;
    if (words) this.status.say(words);
  }

  toldGoodbye({ reason, retryMs }) {
    if (reason === "replaced" || reason === "deleted") this.#stop(reason);
    else if (reason === "restart") this.connection.retryAfter(retryMs * (0.5 + Math.random()));
    else if (reason === "malformed" && this.session.wasMalformed()) this.operationRejected("malformed");
  }

  #stop(reason) {
    this.status.stoppedBecause(reason);
    this.connection.stop();
  }

  /** What is submitted in one turn goes into one packet. */
  hasMessages() {
    if (this.sending) return;
    this.sending = true;
    queueMicrotask(() => {
      this.sending = false;
      this.#send();
    });
  }

  #send() {
    for (const message of this.session.takeMessages()) this.connection.send([message]);
  }

  // Connection delegate

  firstMessages() {
    return [this.session.hello()];
  }

  receivedMessages(messages) {
    this.session.receive(messages);
    if (!this.hasMoved && this.session.isCaughtUp) this.#showAll();
  }

  /** Whoever opens a board sees all that is drawn, where the screen does not show it anyway. */
  #showAll() {
    this.hasMoved = true;
    const bounds = this.stage.contentBounds;
    if (!bounds) return;
    const [left, top, right, bottom] = this.viewport.bounds(...this.stage.size);
    const isSeen = bounds[0] >= left && bounds[1] >= top && bounds[2] <= right && bounds[3] <= bottom;
    if (!isSeen) this.fitAsked();
  }

  stateChanged(state) {
    if (state !== "online") this.session.left();
    this.progressChanged();
  }
}

/** A gesture whose operations the board may refuse: then it ends, and the page goes on. */
function guarded(gesture) {
  const guard = (act) => (samples) => {
    try {
      act(samples);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
    }
  };
  return {
    move: guard((samples) => gesture.move(samples)),
    end: guard(() => gesture.end()),
    cancel: guard(() => gesture.cancel()),
  };
}

/** The address of a board's members, below whatever path the page lives at. */
function socketUrl(board) {
  const url = new URL(`../ws/${board}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  return url.href;
}

// For tests, and for whoever looks around in the console.
globalThis.inkwire = await Application.open();
globalThis.inkwire.start();
