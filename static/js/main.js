// The page of a board: makes its parts, tells each of the others that it needs, and starts them.

import * as arrival from "./arrival.js";
import { Drafts, OwnDraft } from "./canvas/drafts.js";
import { Gridlines } from "./canvas/gridlines.js";
import { Lasers } from "./canvas/lasers.js";
import { Minimap } from "./canvas/minimap.js";
import { Stage } from "./canvas/stage.js";
import { Thumbnail } from "./canvas/thumbnail.js";
import { rememberBoard } from "./device/boards.js";
import { comeBack, keepClient, profile, takeOthers } from "./device/identity.js";
import { keepForOffline } from "./device/offline.js";
import { Exchange } from "./files/exchange.js";
import { Pictures } from "./files/pictures.js";
import { Clipboard } from "./input/clipboard.js";
import { commandsOf } from "./input/commands.js";
import { Keyboard } from "./input/keyboard.js";
import { Pointers } from "./input/pointers.js";
import { Wheel } from "./input/wheel.js";
import { Announcer } from "./panels/announcer.js";
import { Door } from "./panels/door.js";
import { Hosting } from "./panels/hosting.js";
import { icon } from "./panels/icons.js";
import { Network } from "./panels/network.js";
import { News } from "./panels/news.js";
import { Offer } from "./panels/offer.js";
import { Origin } from "./panels/origin.js";
import { People } from "./panels/people.js";
import { Reactions } from "./panels/reactions.js";
import { Replay } from "./panels/replay.js";
import { Sheets } from "./panels/sheets.js";
import { Standing } from "./panels/standing.js";
import { Status } from "./panels/status.js";
import { Toolbar } from "./panels/toolbar.js";
import { Viewport } from "./plane/viewport.js";
import { Connection } from "./session/connection.js";
import { Courier } from "./session/courier.js";
import { socketUrl } from "./session/dial.js";
import { Entry } from "./session/entry.js";
import { Outgoing } from "./session/outgoing.js";
import { CURSOR_INTERVAL, CURSOR_UNITS, Presence } from "./session/presence.js";
import { Recall } from "./session/recall.js";
import { Reception } from "./session/reception.js";
import { Session } from "./session/session.js";
import { Camera } from "./state/camera.js";
import { Fact, watch } from "./state/facts.js";
import { t, translatePage } from "./state/language.js";
import { Settings } from "./state/settings.js";
import { isDark, onDark, onThemeChange } from "./state/theme.js";
import { Desk } from "./tools/desk.js";

const at = (id) => document.querySelector(id);

const { boardName, link, outbox, takeLink } = arrival;
const identity = await arrival.identity;
const box = outbox.box(boardName, identity.clientId);
const status = new Status();
const say = (words, values) => status.say(t(words, values));
const settings = new Settings();
/** Counts changes of what is sent, received or can be undone. */
const progress = new Fact(0);
const progressed = () => progress.set(progress.value + 1);
/** The past is only looked at. */
const mayEdit = () => !replay.isOpen;
const isBusy = () => pointers.isBusy || keyboard.gesture !== undefined;
const describe = (element) => news.describe(element);
const send = (message) => outgoing.send(message);
const ask = (message) => outgoing.ask(message);

// The board, and what goes to the server.
const session = new Session(identity, {
  elementsChanged(keys) {
    // The past does not change.
    if (keys === undefined || mayEdit()) stage.elementsChanged(keys);
    desk.selection.elementsChanged(keys);
    sheets.elementsChanged();
  },
  peopleChanged(isOnlyMovement) {
    if (isOnlyMovement) people.placeCursors();
    else peopleCameOrWent();
    if (presence.followed !== undefined) presence.showFollowed();
  },
  progressChanged: progressed,
  operationKept: (cseq, operation) => box.keep(cseq, operation, session.epoch),
  operationsLetGo: (first, last) => box.letGo(first, last),
  operationsReplaced: (operations) => box.replace(operations, session.epoch),
  inkWasLost: () => offer.inkWasLost(),
  inkWasHeld: () => offer.inkWasHeld(),
  copiesHeld: (held) => held.forEach((one) => box.hold(one)),
  copyLetGo: (held) => box.letHeldGo(held),
  operationRejected: (reason) => desk.sayRejected(reason),
  accessChanged: () => [entry, standing, hosting, people, door, offer].forEach((part) => part.accessChanged()),
  draftChanged: (author, shape) => author !== session.self && drafts.show(author, shape),
  writingChanged: (author, text) => author !== session.self && drafts.showWriting(author, text),
  viewChanged: () => minimap.drawSoon(),
  reacted: (author, reaction) => reactions.show(author, reaction),
  answered: (message) => [hosting, replay].forEach((part) => part.answered(message)),
  slowedDown: (ms) => outgoing.slowDown(ms),
  toldGoodbye(goodbye) {
    if (goodbye.reason === "malformed" && session.wasMalformed()) desk.sayRejected("malformed");
    else entry.toldGoodbye(goodbye);
  },
  imageAnswered: (answer) => pictures.answered(answer),
  laserShone: (author, place) => author !== session.self && lasers.shine(author, place.map((side) => side / CURSOR_UNITS)),
  hasMessages: () => outgoing.sendSoon(),
});
session.credentials = { ...arrival.credentials };
const pictures = new Pictures(outbox, {
  pictureArrived: (hash) => stage.pictureArrived(hash),
  pictureRefused: (state) => say(state === "full" ? "pictureFull" : "pictureRefusedByServer"),
  sendPart: send,
  get waiting() {
    return connection.waiting;
  },
});

// The view of the board.
const canvases = { base: at("#base"), wet: at("#wet"), live: at("#live") };
const stage = new Stage(canvases, session, new Viewport(), (hash) => pictures.pixelsOf(hash));
const camera = new Camera(stage, () => presence.follow(undefined));
camera.view.watch((viewport) => stage.setViewport(viewport));
const gridlines = new Gridlines(at("#surface"), { setting: settings.grid, camera });
const drafts = new Drafts(stage);
const lasers = new Lasers(stage, (author) => (session.people.get(author)?.colour ?? session.identity.colour).slice(0, 7));
const thumbnail = new Thumbnail(boardName, stage);
const announcer = new Announcer(at("#announcer"));
const news = new News(announcer, session);
const standing = new Standing(session);

// The connection, and who is on the board.
let wasOnline = false;
const reception = new Reception(session, {
  drafts, news, camera, say,
  flushed: () => network.flushed(),
  welcomed(isNew) {
    pictures.joined(isNew);
    presence.sendViewSoon();
    replay.joined();
  },
  heard: () => writing.heard(),
  online() {
    if (!wasOnline) keepForOffline("../", () => connection.state === "online");
    wasOnline = true;
  },
  lost() {
    network.wasLost();
    recall.keep();
    recall.show();
  },
  changed() {
    hosting.connectionChanged();
    progressed();
  },
});
const connection = new Connection(socketUrl(boardName), reception);
const outgoing = new Outgoing(session, connection, say);
const presence = new Presence(session, send, camera, isBusy);
const network = new Network({ session, connection, say });
const entry = new Entry({ boardName, link, session, connection, takeLink }, {
  say,
  showLink: (address) => sheets.showLink(address),
  goToLink: () => camera.goToLink(),
  openHosting: () => hosting.open(),
  keptOut: (reason, retryMs) => door.show(reason, retryMs),
  stopped: (reason) => status.stoppedBecause(reason),
  forgotten: () => recall.forget(),
});
const hosting = new Hosting({
  session, boardName, ask, send, say,
  comeBy: (token) => entry.comeBy(token),
  copyLink: (address, words, values) => entry.copyLink(address, words, values),
});
const people = new People({
  session, camera, announcer, ask, send,
  follow: (author) => presence.follow(author),
  moderate: (action) => hosting.order(action),
  clearAuthor: (author) => desk.clearAuthor(author),
});
const door = new Door(entry);
const reactions = new Reactions({ session, camera, stage, announcer, ask });
const recall = new Recall({ session, outbox, boardName, recalled: () => camera.hasMoved || camera.showAll() });

// Tools and commands.
const toolbar = new Toolbar({
  commands: () => commands,
  undo: () => desk.undo(),
  redo: () => desk.redo(),
  zoom: (factor) => camera.zoom(factor),
  fitAll: () => camera.fitAll(),
  toolChosen: (tool) => desk.toolChosen(tool),
  styleChosen: (style, changed) => desk.styleChosen(style, changed),
});
const desk = new Desk({
  session, stage, camera, gridlines, toolbar, presence, lasers, announcer, say, describe, mayEdit, isBusy,
  ownDraft: new OwnDraft((messages) => session.joined && connection.send(messages), CURSOR_INTERVAL),
  pickFiles: (place) => clipboard.pickFiles(place),
  selectionChanged: () => origin.show(),
}, at("#writing"));
const { attempt, editing, selection, writing } = desk;
const exchange = new Exchange(desk, { boardName, pictures, shown: () => replay.shown });
const replay = new Replay({
  session, stage, desk, exchange, boardName, ask, send, say,
  openExport: () => sheets.open("export"),
  chronicled: () => origin.show(),
});
const origin = new Origin(session, selection, {
  send, originOf: (element) => replay.originOf(element), clearAuthor: (author) => desk.clearAuthor(author),
});
const offer = new Offer(session, attempt);
const clipboard = new Clipboard(exchange, {
  mayEdit,
  cut: () => attempt(() => editing.delete()),
  // The pointer's place, or the middle of the screen.
  place: () => camera.viewport.toBoard(presence.pointerAt ?? stage.size.map((side) => side / 2)),
  toBoard: (place) => camera.viewport.toBoard(place),
  taken: () => desk.toolIsDone(),
});
const sheets = new Sheets({ commands: () => commands, exchange, desk, settings, mayEdit, describe, reload: () => location.reload() });
const commands = commandsOf({
  desk, camera, clipboard, exchange, settings, sheets, toolbar, people, replay, network, hosting,
  copyPlace: () => entry.copyPlace(camera.link),
  focusBoard: () => canvases.live.focus({ focusVisible: true }),
});

// Pointers, the wheel, the keyboard and the small map.
const begin = (sample, how) => desk.begin(sample, how);
const pointers = new Pointers(canvases.live, {
  begin,
  pointerMoved: (sample) => presence.pointerMoved(sample),
  pointersLeft: () => presence.pointersLeft(),
  fingersPinched: (before, after) => camera.pinch(before, after),
  fingersTapped(count) {
    if (!mayEdit()) return;
    if (count === 2) desk.undo();
    else if (count === 3) desk.redo();
  },
  penSeen() {
    if (settings.pen.isChosen) return;
    settings.pen.choose(true);
    if (navigator.maxTouchPoints > 0) say("penModeOn");
  },
  get viewport() {
    return camera.viewport;
  },
  movementTakenBack: (viewport) => camera.see(viewport),
  get penMode() {
    return settings.pen.value;
  },
});
const wheel = new Wheel(canvases.live, {
  wheelPanned: (dx, dy) => camera.pan(dx, dy),
  wheelZoomed: (factor, point) => camera.zoom(factor, point),
});
const keyboard = new Keyboard(canvases.live, stage, {
  commands, selection, mayEdit, begin,
  keyPressed(event) {
    if (mayEdit() || event.key !== "Escape") return toolbar.keyPressed(event);
    replay.close();
    return true;
  },
  pointerMoved: (sample) => presence.pointerMoved(sample),
  pointersTakenBack: () => pointers.takeBack(),
  crossPressed: (isDown) => announcer.say(t(isDown ? "penDown" : "penUp")),
});
const minimap = new Minimap(at("#minimap"), stage, {
  goTo: (place) => camera.goTo(place),
  get otherViews() {
    return presence.otherViews;
  },
});

function peopleCameOrWent() {
  people.update();
  drafts.keepOf(session.people);
  minimap.drawSoon();
}

let wasWarned = false;
/** Storage is full or forbidden: what is drawn is sent all the same. */
function warnOnce() {
  if (!wasWarned) say("keepsNothing");
  wasWarned = true;
}

function showProgress() {
  const { undoable, redoable } = session.board.history(session.self);
  toolbar.show({ undoable: undoable !== undefined, redoable: redoable !== undefined });
  standing.show();
  if (!outbox.keeps) warnOnce();
  const { pending, received, storage } = session;
  const { state, failures } = connection;
  status.show(state, { unsent: pending.length, unsaved: pending.length + received.length, storage, failures, keeps: outbox.keeps });
}

function showMinimap(isShown) {
  at("#minimap").hidden = !isShown;
  minimap.draw();
}

function showTheme() {
  stage.painter.shown = isDark() ? onDark : (colour) => colour;
  toolbar.showColours(stage.painter.shown);
  stage.looksChanged();
}

/** Keeps what is seen now, for the start page and for when there is no server. */
function keepSight() {
  thumbnail.keep();
  recall.keep();
}

/** The page goes away: what is being drawn is finished, and a reload goes on as the same client. */
function leave() {
  writing.finish();
  session.endLiveStrokes();
  outgoing.sendNow();
  box.flush();
  keepClient(boardName, session.identity, session.nextCseq);
  camera.keep(boardName);
  keepSight();
}

/** Brings to the server what other tabs have left behind. */
async function bringWhatIsLeft() {
  for (const other of await takeOthers(boardName, outbox, session.identity)) {
    const { credentials } = session;
    new Courier(socketUrl(boardName), { ...other, ...profile() }, outbox.box(boardName, other.clientId), credentials).start();
  }
}

function listen() {
  at("#share").addEventListener("click", () => entry.share());
  at("#status-retry").addEventListener("click", () => connection.restart());
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => persisted && comeBack());
  // If the browser keeps nothing, ink that the server does not have would go with the tab.
  addEventListener("beforeunload", (event) => !outbox.keeps && session.pending.length > 0 && event.preventDefault());
  document.addEventListener("visibilitychange", () => document.hidden && keepSight());
  camera.view.watch((viewport) => {
    people.placeCursors();
    writing.place();
    toolbar.showZoom(viewport.zoom);
  });
  settings.minimap.watch(showMinimap);
  watch([progress], showProgress);
  onThemeChange(showTheme);
  stage.painted = () => {
    if (!stage.isZooming) minimap.drawSoon();
    thumbnail.keepSoon();
  };
}

function start() {
  translatePage();
  document.title = `${boardName} – Inkwire`;
  at("#board-name").textContent = boardName;
  at("#menu-button").append(icon("menu"));
  listen();
  for (const part of [toolbar, sheets, people, pointers, wheel, keyboard, writing, minimap, hosting, door, reactions, network, replay, exchange, presence, clipboard, offer]) part.start();
  showTheme();
  showMinimap(settings.minimap.value);
  camera.comeBack(boardName);
  setTimeout(() => rememberBoard(boardName), 0);
  pictures.start();
  entry.start();
  outbox.held(boardName).then((held) => offer.offerAgain(held));
  bringWhatIsLeft();
  stage.elementsChanged(undefined);
  toolbar.showZoom(camera.viewport.zoom);
  showProgress();
}

/**
 * The door for scripts of others, the console and the tests. `session` (its `board`, `log`, `pending`, `access` and `self`), `stage.settled()`,
 * `viewport`, `boundsOf`, `goTo`, `selection`, `style`, `toolbar.choose`, `exchange.take` and `hosting.order` stay; all else may change.
 */
globalThis.inkwire = {
  boardName, outbox, session, connection, pictures, stage, camera, drafts, lasers, announcer, people, hosting, entry, reactions, network, replay,
  recall, toolbar, desk, selection, editing, writing, exchange, sheets, settings, presence, outgoing, pointers, minimap, reception,
  get viewport() {
    return camera.viewport;
  },
  get style() {
    return toolbar.style;
  },
  boundsOf: (element) => desk.boundsOf(element),
  goTo: (place, zoom) => camera.goTo(place, zoom),
};
start();
