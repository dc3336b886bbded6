// Zooms and moves the board by the wheel and by a trackpad's pinch, wherever on the page the pointer is: the browser's own zoom
// would enlarge the page, and leave no key or gesture to take that back. Knows the DOM and no board.

const WHEEL_LINE = 16;
/** A turn of a wheel sends a large number at once, a pinch on a trackpad many small ones. */
const ZOOM_PER_WHEEL = 0.01;
const LARGEST_WHEEL = 25;

/** Hears of the wheel. */
export class WheelDelegate {
  /** @param {number} dx @param {number} dy in CSS pixels */
  wheelPanned(dx, dy) {}
  /** @param {number} factor @param {number[]} point of the surface that stays where it is */
  wheelZoomed(factor, point) {}
}

export class Wheel {
  /**
   * @param {HTMLElement} surface
   * @param {WheelDelegate} delegate
   */
  constructor(surface, delegate) {
    this.surface = surface;
    this.delegate = delegate;
    /** How many fingers are on the screen. */
    this.touches = 0;
    /** How much a pinch of a trackpad has enlarged up to now. */
    this.scale = 1;
  }

  start() {
    addEventListener("wheel", (event) => this.#turned(event), { passive: false });
    for (const type of ["gesturestart", "gesturechange", "gestureend"]) addEventListener(type, (event) => this.#pinched(event));
    for (const type of ["touchstart", "touchend", "touchcancel"]) {
      addEventListener(type, (event) => (this.touches = /** @type {TouchEvent} */ (event).touches.length), { passive: true });
    }
  }

  /**
   * Safari tells of a trackpad's pinch in events of its own, with the scale since its start. Fingers on a screen cause them as
   * well, and are pointers already.
   */
  #pinched(event) {
    event.preventDefault();
    const factor = event.type === "gesturestart" ? 1 : event.scale / this.scale;
    this.scale = event.scale;
    if (factor > 0 && factor !== 1 && this.touches === 0) this.delegate.wheelZoomed(factor, this.#point(event));
  }

  #turned(event) {
    const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE : 1;
    // With Shift a wheel turns sideways, where the browser has not seen to that.
    const [dx, dy] = event.shiftKey && event.deltaX === 0 ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    if (event.ctrlKey || event.metaKey) {
      const turn = Math.min(LARGEST_WHEEL, Math.max(-LARGEST_WHEEL, event.deltaY * scale));
      this.delegate.wheelZoomed(Math.exp(-turn * ZOOM_PER_WHEEL), this.#point(event));
    } else if (this.#isElsewhere(event.target, dx, dy)) {
      return;
    } else {
      this.delegate.wheelPanned(-dx * scale, -dy * scale);
    }
    event.preventDefault();
  }

  /** The place of an event on the surface. */
  #point({ clientX, clientY }) {
    const { left, top } = this.surface.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  /** Whether a turn means a sheet, or scrolls what the pointer is over. */
  #isElsewhere(target, dx, dy) {
    if (target === this.surface || !(target instanceof Element)) return false;
    return target.closest("dialog") !== null || scrolls(target, dx, dy);
  }
}

/** Whether an element, or one around it, scrolls by itself in a direction. @param {Element | null} element @returns {boolean} */
function scrolls(element, dx, dy) {
  if (!element || element === document.body) return false;
  const { overflowX, overflowY } = getComputedStyle(element);
  const does = (overflow, more) => more > 0 && (overflow === "auto" || overflow === "scroll");
  if (dx !== 0 && does(overflowX, element.scrollWidth - element.clientWidth)) return true;
  if (dy !== 0 && does(overflowY, element.scrollHeight - element.clientHeight)) return true;
  return scrolls(element.parentElement, dx, dy);
}
