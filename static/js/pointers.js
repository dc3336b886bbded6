// Watches pointers on the drawing surface, of any kind, and tells the delegate in samples. Knows the DOM and no tool.

/**
 * @typedef {object} Sample a place on the surface in CSS pixels, and the pressure, 0 to 1, of a device that has it
 * @property {number} x
 * @property {number} y
 * @property {number} [pressure]
 */

const WHEEL_LINE = 16;
/** A turn of a wheel sends a large number at once, a pinch on a trackpad many small ones. */
const ZOOM_PER_WHEEL = 0.01;
const LARGEST_WHEEL = 25;

/** What the observer asks and tells. */
export class PointersDelegate {
  /** A pointer went down: gives back what follows it. @param {Sample} sample @param {{ pans: boolean, erases: boolean }} how */
  pointerWentDown(sample, how) {}
  /** A pointer is over the surface. @param {Sample} sample */
  pointerMoved(sample) {}
  /** No pointer is over the surface. */
  pointersLeft() {}
  /** Two fingers moved. @param {number[][]} before @param {number[][]} after */
  fingersPinched(before, after) {}
  /** The wheel turned. */
  wheelPanned(dx, dy) {}
  wheelZoomed(factor, point) {}
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
  }

  start() {
    const on = (type, act, options) => this.surface.addEventListener(type, act, options);
    on("pointerdown", (event) => this.#went(event));
    on("pointermove", (event) => this.#moved(event));
    on("pointerup", (event) => this.#lifted(event));
    // A device that takes the pointer away does not take the ink: what was drawn stays.
    on("pointercancel", (event) => this.#lifted(event));
    on("pointerleave", (event) => event.pointerType === "touch" || this.delegate.pointersLeft());
    on("wheel", (event) => this.#turned(event), { passive: false });
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

  #sample(event) {
    const { left, top } = this.surface.getBoundingClientRect();
    const sample = { x: event.clientX - left, y: event.clientY - top };
    if (event.pointerType === "pen") sample.pressure = event.pressure;
    return sample;
  }

  #went(event) {
    if (event.pointerType === "mouse" && event.button > 1) return;
    if (event.pointerType === "pen") this.penWasSeen = true;
    // Where a pen draws, a hand rests.
    const penIsDown = Array.from(this.down.values()).some(({ type }) => type === "pen");
    if (event.pointerType === "touch" && penIsDown) return;
    event.preventDefault();
    document.activeElement?.blur?.();
    this.surface.setPointerCapture(event.pointerId);
    const sample = this.#sample(event);
    this.down.set(event.pointerId, { type: event.pointerType, at: [sample.x, sample.y], gesture: undefined });
    const fingers = this.#fingers();
    if (fingers.length > 1) this.#beginPinch(fingers);
    else this.down.get(event.pointerId).gesture = this.#start(event, sample);
  }

  #start(event, sample) {
    const pans = this.spaceIsHeld || event.button === 1;
    const erases = event.button === 5 || (event.buttons & 32) !== 0;
    return this.delegate.pointerWentDown(sample, { pans, erases });
  }

  #fingers() {
    return Array.from(this.down.values()).filter(({ type }) => type === "touch");
  }

  /** A second finger means moving the board: what the first one began is taken back. */
  #beginPinch(fingers) {
    for (const finger of fingers) {
      finger.gesture?.cancel();
      finger.gesture = undefined;
    }
  }

  #moved(event) {
    const sample = this.#sample(event);
    const pointer = this.down.get(event.pointerId);
    this.delegate.pointerMoved(sample);
    if (!pointer) return;
    const before = this.#fingers().map(({ at }) => at);
    pointer.at = [sample.x, sample.y];
    const fingers = this.#fingers();
    if (pointer.type === "touch" && fingers.length === 2) {
      this.delegate.fingersPinched(before, fingers.map(({ at }) => at));
    } else {
      pointer.gesture?.move(this.#samples(event));
    }
  }

  /** Everything that the device has measured since the last event. */
  #samples(event) {
    const coalesced = event.getCoalescedEvents?.() ?? [];
    return (coalesced.length > 0 ? coalesced : [event]).map((one) => this.#sample(one));
  }

  #lifted(event) {
    const pointer = this.down.get(event.pointerId);
    this.down.delete(event.pointerId);
    pointer?.gesture?.end();
    if (event.pointerType === "touch" && this.down.size === 0) this.delegate.pointersLeft();
  }

  #turned(event) {
    event.preventDefault();
    const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE : 1;
    const sample = this.#sample(event);
    if (event.ctrlKey || event.metaKey) {
      const turn = Math.min(LARGEST_WHEEL, Math.max(-LARGEST_WHEEL, event.deltaY * scale));
      this.delegate.wheelZoomed(Math.exp(-turn * ZOOM_PER_WHEEL), [sample.x, sample.y]);
    } else {
      this.delegate.wheelPanned(-event.deltaX * scale, -event.deltaY * scale);
    }
  }
}
