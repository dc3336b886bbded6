// Watches pointers on the drawing surface, of any kind, and tells the delegate in samples. Knows the DOM and no tool.

/**
 * @typedef {object} Sample a place on the surface in CSS pixels
 * @property {number} x
 * @property {number} y
 * @property {number} [pressure] 0 to 1, of a device that has it
 * @property {number} time in milliseconds
 * @property {boolean} shift
 * @property {boolean} alt
 * @property {number} count how many taps in a row this is one of
 * @property {boolean} isTouch
 */

/** Milliseconds and CSS pixels within which a second tap belongs to the first. */
const DOUBLE_MS = 400;
const DOUBLE_WAY = 12;
/** Milliseconds and CSS pixels within which fingers have tapped and not moved. */
const TAP_MS = 350;
const TAP_WAY = 14;
/** A finger has begun when it has moved so far, in CSS pixels, or stayed so long: before that it may be one of several. */
const FINGER_WAY = 3;
const FINGER_MS = 90;
/** For so many milliseconds behind a pen, what touches is the hand that holds it; and a contact so broad, in CSS pixels, always is. */
const PALM_MS = 500;
const PALM_WIDTH = 60;
/** Fingers that are still down when a pen comes, and came at most so many milliseconds before it, are its hand as well. */
const HAND_MS = 1_000;
/** Contacts that came so soon behind a pen are fingers all the same once they have moved so far, in CSS pixels. */
const DOUBT_WAY = 20;
/** The button at a pen's other end, and its bit among those that are held (Pointer Events, section 3.1). */
const ERASER_BUTTON = 5;
const ERASER_BIT = 32;

/** What the observer asks and tells. */
export class PointersDelegate {
  /**
   * A pointer went down: gives back what follows it.
   * @param {Sample} sample
   * @param {{ pans: boolean, erases: boolean }} how
   * @returns {any}
   */
  begin(sample, how) {}
  /** A pointer is over the surface. @param {Sample} sample */
  pointerMoved(sample) {}
  /** No pointer is over the surface. */
  pointersLeft() {}
  /** Two fingers moved. @param {number[][]} before @param {number[][]} after */
  fingersPinched(before, after) {}
  /** So many fingers tapped at once. @param {number} count */
  fingersTapped(count) {}
  /** A pen is used for the first time. */
  penSeen() {}
  /** The viewport as it is seen. @returns {import("../plane/viewport.js").Viewport | undefined} */
  get viewport() {
    return undefined;
  }
  /** The contact that moved the board was no finger: the board is seen again as it was. @param {import("../plane/viewport.js").Viewport} viewport */
  movementTakenBack(viewport) {}
  /** Whether only pens draw, and fingers move the board. */
  get penMode() {
    return false;
  }
}

export class Pointers {
  /**
   * @param {HTMLElement} surface
   * @param {PointersDelegate} delegate
   */
  constructor(surface, delegate) {
    this.surface = surface;
    this.delegate = delegate;
    /** Pointers that are down: id to `{ gesture, type, at }`. */
    this.down = new Map();
    this.spaceIsHeld = false;
    this.penWasSeen = false;
    this.penAt = -Infinity;
    this.lastTap = { time: -Infinity, at: [0, 0], count: 0 };
    /** Contacts that came so soon behind a pen that they may be its hand: id to where they came down, and are. */
    this.doubted = new Map();
    /** Fingers that went down together: since when, how many at most, and whether they moved. @type {any} */
    this.tap = undefined;
    /** When the first of the fingers that are down came, and what was seen of the board then. @type {{ time: number, viewport: any }} */
    this.touched = { time: -Infinity, viewport: undefined };
  }

  start() {
    const on = (type, act) => this.surface.addEventListener(type, act);
    on("pointerdown", (event) => this.#went(event));
    on("pointermove", (event) => this.#moved(event));
    on("pointerup", (event) => this.#lifted(event));
    // A device that takes the pointer away does not take the ink: what was drawn stays.
    on("pointercancel", (event) => this.#cancelled(event));
    on("pointerleave", (event) => event.pointerType === "touch" || this.delegate.pointersLeft());
    on("contextmenu", (event) => event.preventDefault());
    addEventListener("keydown", (event) => event.code === "Space" && this.#holdSpace(true, event));
    addEventListener("keyup", (event) => event.code === "Space" && this.#holdSpace(false, event));
    addEventListener("blur", () => this.#holdSpace(false));
  }

  #holdSpace(held, event) {
    if (event && event.target !== document.body) return;
    event?.preventDefault();
    this.spaceIsHeld = held;
    this.surface.classList.toggle("panning", held);
  }

  #sample(event, count = 1) {
    const { left, top } = this.surface.getBoundingClientRect();
    const { timeStamp: time, shiftKey: shift, altKey: alt, pointerType } = event;
    const sample = { x: event.clientX - left, y: event.clientY - top, time, shift, alt, count, isTouch: pointerType === "touch" };
    if (pointerType === "pen") sample.pressure = event.pressure;
    return sample;
  }

  #went(event) {
    if (event.pointerType === "mouse" && event.button > 1) return;
    if (event.pointerType === "pen") this.#penWent(event);
    else if (event.pointerType === "touch" && this.#isPalm(event)) return this.#doubt(event);
    event.preventDefault();
    const { activeElement } = document;
    if (activeElement instanceof HTMLElement) activeElement.blur();
    this.surface.setPointerCapture(event.pointerId);
    const sample = this.#sample(event, this.#count(event));
    this.down.set(event.pointerId, { type: event.pointerType, at: [sample.x, sample.y], gesture: undefined });
    const fingers = this.#fingers();
    if (event.pointerType === "touch") this.#beginTap(event, fingers.length);
    if (event.pointerType === "touch" && fingers.length === 1) this.#remember(event);
    const pointer = this.down.get(event.pointerId);
    if (fingers.length > 1) this.#takeBack(fingers, "interrupt");
    else if (event.pointerType === "touch") this.#hold(pointer, event, sample);
    else pointer.gesture = this.#start(event, sample);
  }

  /** A finger begins a moment later: what was begun could not be done again once something new was. */
  #hold(pointer, event, sample) {
    const begin = () => {
      const { samples } = pointer.held;
      clearTimeout(pointer.held.timer);
      pointer.held = undefined;
      pointer.gesture = this.#start(event, sample);
      if (samples.length > 0) pointer.gesture?.move(samples);
    };
    pointer.held = { begin, samples: [], timer: setTimeout(begin, FINGER_MS) };
  }

  /** How many taps in a row this is one of. */
  #count({ timeStamp, clientX, clientY }) {
    const { time, at: [x, y], count } = this.lastTap;
    const isNext = timeStamp - time < DOUBLE_MS && Math.hypot(clientX - x, clientY - y) < DOUBLE_WAY;
    this.lastTap = { time: timeStamp, at: [clientX, clientY], count: isNext ? count + 1 : 1 };
    return this.lastTap.count;
  }

  /** A hand rests beside a pen that draws: its gesture is taken back, and so is its move of the board. */
  #penWent(event) {
    if (!this.penWasSeen) this.delegate.penSeen();
    this.penWasSeen = true;
    this.penAt = event.timeStamp;
    const fingers = this.#fingers();
    const { time, viewport } = this.touched;
    // A finger that has drawn for long before is no resting hand.
    this.#takeBack(fingers, event.timeStamp - time < HAND_MS ? "cancel" : "interrupt");
    const hasMoved = fingers.length > 0 && event.timeStamp - time < HAND_MS && viewport !== this.delegate.viewport;
    if (hasMoved) this.delegate.movementTakenBack(viewport);
    for (const [id, { type }] of this.down) if (type === "touch") this.down.delete(id);
    this.doubted.clear();
    this.tap = undefined;
  }

  get #penIsDown() {
    return Array.from(this.down.values()).some(({ type }) => type === "pen");
  }

  #isBroad({ width, height }) {
    return this.penWasSeen && Math.max(width, height) > PALM_WIDTH;
  }

  #isPalm(event) {
    return this.#penIsDown || event.timeStamp - this.penAt < PALM_MS || this.#isBroad(event);
  }

  /** Contacts that came too soon behind a pen may turn out to be fingers. */
  #doubt(event) {
    if (this.#penIsDown || this.#isBroad(event)) return;
    const { x, y } = this.#sample(event);
    this.doubted.set(event.pointerId, { from: [x, y], at: [x, y] });
  }

  #doubtedMoved(event) {
    const { x, y } = this.#sample(event);
    this.doubted.get(event.pointerId).at = [x, y];
    if (!this.#areFingers(event)) return;
    this.#takeBack(this.#fingers(), "interrupt");
    for (const [id, { at }] of this.doubted) this.down.set(id, { type: "touch", at, gesture: undefined });
    this.doubted.clear();
    this.#remember(event);
    if (this.#fingers().length === 1) this.down.get(event.pointerId).gesture = this.#start(event, this.#sample(event));
  }

  /**
   * A hand that comes to rest does not move its contacts against each other; and when the pen has been away for long enough,
   * whatever moves the board is a finger. One that would draw is not trusted so far: it would spoil ink.
   */
  #areFingers({ timeStamp }) {
    const all = Array.from(this.doubted.values());
    const count = all.length + this.#fingers().length;
    if (count > 2) return false;
    const way = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);
    const spread = (when) => way(all[0][when], all[1][when]);
    if (all.length === 2 && Math.abs(spread("at") - spread("from")) > DOUBT_WAY) return true;
    const isOver = timeStamp - this.penAt >= PALM_MS && all.every(({ from, at }) => way(from, at) > DOUBT_WAY);
    return isOver && (count === 2 || this.delegate.penMode);
  }

  #start(event, sample) {
    const isFinger = event.pointerType === "touch";
    const pans = this.spaceIsHeld || event.button === 1 || (isFinger && this.delegate.penMode);
    const erases = event.button === ERASER_BUTTON || (event.buttons & ERASER_BIT) !== 0;
    return this.delegate.begin(sample, { pans, erases });
  }

  #fingers() {
    return Array.from(this.down.values()).filter(({ type }) => type === "touch");
  }

  /**
   * Ends what fingers have begun. A second finger means moving the board, or is a palm: it interrupts, and a gesture may keep what it has drawn.
   * @param {any[]} fingers
   * @param {"cancel" | "interrupt"} how
   */
  #takeBack(fingers, how = "cancel") {
    for (const finger of fingers) {
      clearTimeout(finger.held?.timer);
      finger.held = undefined;
      finger.gesture?.[how]();
      finger.gesture = undefined;
    }
  }

  /** Whether anything is being done by a pointer. */
  get isBusy() {
    return Array.from(this.down.values()).some(({ gesture }) => gesture !== undefined);
  }

  /** Takes back what pointers have begun and not ended; says whether there was anything. */
  takeBack() {
    const { isBusy } = this;
    this.#takeBack(Array.from(this.down.values()));
    return isBusy;
  }

  #remember({ timeStamp }) {
    this.touched = { time: timeStamp, viewport: this.delegate.viewport };
  }

  #beginTap({ timeStamp }, count) {
    if (count === 1) this.tap = { time: timeStamp, most: 1, moved: 0 };
    else if (this.tap) this.tap.most = Math.max(this.tap.most, count);
  }

  #endTap({ timeStamp }) {
    const { tap } = this;
    if (this.#fingers().length > 0 || !tap) return;
    this.tap = undefined;
    if (tap.most > 1 && timeStamp - tap.time < TAP_MS && tap.moved < TAP_WAY) this.delegate.fingersTapped(tap.most);
  }

  #moved(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    const sample = this.#sample(event);
    const pointer = this.down.get(event.pointerId);
    this.delegate.pointerMoved(sample);
    if (this.doubted.has(event.pointerId)) return this.#doubtedMoved(event);
    if (!pointer) return;
    const before = this.#fingers().map(({ at }) => at);
    if (this.tap) this.tap.moved += Math.hypot(sample.x - pointer.at[0], sample.y - pointer.at[1]);
    pointer.at = [sample.x, sample.y];
    const fingers = this.#fingers();
    if (pointer.type === "touch" && fingers.length === 2) {
      this.delegate.fingersPinched(before, fingers.map(({ at }) => at));
    } else if (pointer.held) {
      this.#keepHeld(pointer, event);
    } else {
      pointer.gesture?.move(this.#samples(event));
    }
  }

  #keepHeld(pointer, event) {
    pointer.held.samples.push(...this.#samples(event));
    if (this.tap?.moved > FINGER_WAY) pointer.held.begin();
  }

  /** Everything that the device has measured since the last event. */
  #samples(event) {
    const coalesced = event.getCoalescedEvents?.() ?? [];
    return (coalesced.length > 0 ? coalesced : [event]).map((one) => this.#sample(one));
  }

  /** What a finger was not given time to begin was a palm. */
  #cancelled(event) {
    const pointer = this.down.get(event.pointerId);
    clearTimeout(pointer?.held?.timer);
    if (pointer) pointer.held = undefined;
    this.#lifted(event);
  }

  #lifted(event) {
    if (event.pointerType === "pen") this.penAt = event.timeStamp;
    const pointer = this.down.get(event.pointerId);
    this.down.delete(event.pointerId);
    this.doubted.delete(event.pointerId);
    pointer?.held?.begin();
    pointer?.gesture?.end();
    if (event.pointerType !== "touch") return;
    this.#endTap(event);
    if (this.down.size === 0) this.delegate.pointersLeft();
  }
}
