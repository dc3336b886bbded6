// Working without a pointer: the keys of commands and tools, and a cross on the board that arrow keys move and with which every
// tool draws.

import { themeColour } from "../state/theme.js";
import { commandFor, isComposed, keysOf } from "./commands.js";

/** CSS pixels that one press moves the cross: with Shift, as it is, and with Ctrl. */
const STEP = 10;
const FINE = 1;
const FAR = 50;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** Half the length of the cross's lines, in CSS pixels. */
const CROSS = 12;

/** What the keyboard asks and tells. */
export class KeyboardDelegate {
  /** @returns {import("./commands.js").Command[]} */
  get commands() {
    return [];
  }
  /** A key that is no command was pressed; says whether it meant something. @returns {boolean} */
  keyPressed(event) {
    return false;
  }
  /** Whether the board is seen as it is now, and may be edited. @returns {boolean} */
  mayEdit() {
    return true;
  }
  /** What is selected on the page. @returns {{ isEmpty: boolean }} */
  get selection() {
    return { isEmpty: true };
  }
  /** As `PointersDelegate.begin`. @returns {any} */
  begin(sample, how) {}
  pointerMoved(sample) {}
  /** What pointers have begun is not to be; says whether there was anything. @returns {boolean} */
  pointersTakenBack() {
    return false;
  }
  /** The cross began or ended to draw, at a place of the screen. */
  crossPressed(isDown, place) {}
}

export class Keyboard {
  /**
   * @param {HTMLElement} surface
   * @param {import("../canvas/stage.js").Stage} stage
   * @param {KeyboardDelegate} delegate
   */
  constructor(surface, stage, delegate) {
    this.surface = surface;
    this.stage = stage;
    this.delegate = delegate;
    /** Where the cross is on the screen; nowhere until the board has the focus. @type {any} */
    this.place = undefined;
    this.gesture = undefined;
  }

  start() {
    addEventListener("keydown", (event) => this.#pressed(event));
    this.surface.addEventListener("focus", () => this.#show());
    this.surface.addEventListener("blur", () => this.#hide());
    this.stage.sketches.add((context, view, ratio) => this.#draw(context, ratio));
  }

  #show() {
    if (!this.surface.matches(":focus-visible")) return;
    this.place ??= this.stage.size.map((side) => side / 2);
    this.isShown = true;
    this.stage.sketch();
  }

  #hide() {
    this.isShown = false;
    this.#lift("end");
    this.stage.sketch();
  }

  #pressed(event) {
    if (isComposed(event)) return;
    if (event.target.closest?.("input, textarea, select, dialog")) return this.#pressedElsewhere(event);
    if (this.isShown && event.target === this.surface && this.#steers(event)) {
      event.preventDefault();
      return;
    }
    const { key, ctrlKey, metaKey } = event;
    if (event.target.closest?.("button, a, [role=slider]") && ["Enter", " "].includes(key) && !ctrlKey && !metaKey) return;
    if (key === "Escape" && this.delegate.pointersTakenBack()) return void event.preventDefault();
    const command = commandFor(this.delegate.commands, event);
    const isTaken = command ? this.#runs(command, event) : this.delegate.keyPressed(event);
    if (isTaken) event.preventDefault();
  }

  /** In a field or a sheet keys are its own, but those that would zoom the page. */
  #pressedElsewhere(event) {
    const command = commandFor(this.delegate.commands, event);
    if (!command?.isEverywhere || !keysOf(event).startsWith("Mod+")) return;
    command.run(event);
    event.preventDefault();
  }

  #runs(command, event) {
    // In the past nothing is edited; Escape leaves it.
    if (!this.delegate.mayEdit() && command.edits) return this.delegate.keyPressed(event);
    if (command.needsSelection && this.delegate.selection.isEmpty) return false;
    command.run(event);
    return true;
  }

  /** What keys mean for the cross. */
  #steers({ key, shiftKey, ctrlKey, timeStamp }) {
    if (ARROWS[key]) {
      const step = shiftKey ? FINE : ctrlKey ? FAR : STEP;
      const side = (at) => Math.min(this.stage.size[at], Math.max(0, this.place[at] + Number(ARROWS[key][at]) * step));
      this.place = [side(0), side(1)];
      const sample = this.#sample(timeStamp);
      this.delegate.pointerMoved(sample);
      this.gesture?.move([sample]);
      this.stage.sketch();
      return true;
    }
    if (key === "Enter" || key === " ") {
      if (this.gesture) this.#lift("end");
      else this.#press(timeStamp);
      return true;
    }
    if (key === "Escape" && this.gesture) {
      this.#lift("cancel");
      return true;
    }
    return false;
  }

  #sample(time) {
    const [x, y] = this.place;
    return { x, y, time, shift: false, alt: false, count: 1, isTouch: false };
  }

  #press(time) {
    this.gesture = this.delegate.begin(this.#sample(time), { pans: false, erases: false });
    this.delegate.crossPressed(true, this.place);
  }

  #lift(how) {
    const { gesture } = this;
    if (!gesture) return;
    this.gesture = undefined;
    gesture[how]();
    this.delegate.crossPressed(false, this.place);
  }

  #draw(context, ratio) {
    if (!this.isShown) return false;
    const [x, y] = this.place.map((side) => Math.round(side * ratio));
    const length = CROSS * ratio;
    for (const [colour, width] of [[themeColour("paper"), 4], [themeColour("accent"), 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = Number(width) * ratio;
      context.beginPath();
      context.moveTo(x - length, y);
      context.lineTo(x + length, y);
      context.moveTo(x, y - length);
      context.lineTo(x, y + length);
      if (this.gesture) context.arc(x, y, length / 2, 0, 2 * Math.PI);
      context.stroke();
    }
    return true;
  }
}
