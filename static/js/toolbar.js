// The toolbar: which tool, colour and width the next stroke has, undo and redo, and the zoom.

import { COLOURS } from "./identity.js";
import { tools } from "./tools/tools.js";

const WIDTHS = [2, 4, 8, 16];
const COLOUR_NAMES = ["Black", "Red", "Orange", "Green", "Blue", "Violet", "Pink", "Grey"];

/** What the toolbar tells. */
export class ToolbarDelegate {
  undoAsked() {}
  redoAsked() {}
  zoomAsked(factor) {}
  fitAsked() {}
}

export class Toolbar {
  /** @param {ToolbarDelegate} delegate */
  constructor(delegate) {
    this.delegate = delegate;
    this.tool = tools[0];
    this.style = { colour: COLOURS[0], width: WIDTHS[1] };
    this.buttons = new Map();
  }

  start() {
    const fill = (id, buttons) => document.querySelector(id).replaceChildren(...buttons);
    fill("#tools", tools.map((tool) => this.#toolButton(tool)));
    fill("#colours", COLOURS.map((colour, at) => this.#colourButton(colour, COLOUR_NAMES[at])));
    fill("#widths", WIDTHS.map((width) => this.#widthButton(width)));
    const on = (id, act) => document.querySelector(id).addEventListener("click", act);
    on("#undo", () => this.delegate.undoAsked());
    on("#redo", () => this.delegate.redoAsked());
    on("#zoom-in", () => this.delegate.zoomAsked(1.25));
    on("#zoom-out", () => this.delegate.zoomAsked(0.8));
    on("#zoom-level", () => this.delegate.fitAsked());
    addEventListener("keydown", (event) => this.#pressed(event));
    this.#mark();
  }

  #button(name, label, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      act();
      this.#mark();
    });
    this.buttons.set(name, button);
    return button;
  }

  #toolButton(tool) {
    const label = `${tool.label} (${tool.key.toUpperCase()})`;
    const button = this.#button(`tool ${tool.name}`, label, () => (this.tool = tool));
    button.dataset.tool = tool.name;
    const icon = document.querySelector(`#icon-${tool.name}`).content.cloneNode(true);
    button.append(icon);
    return button;
  }

  #colourButton(colour, name) {
    const button = this.#button(`colour ${colour}`, name, () => (this.style = { ...this.style, colour }));
    button.className = "colour";
    button.style.setProperty("--colour", colour);
    return button;
  }

  #widthButton(width) {
    const button = this.#button(`width ${width}`, `Width ${width}`, () => (this.style = { ...this.style, width }));
    button.className = "width";
    button.style.setProperty("--width", `${Math.min(18, width + 2)}px`);
    return button;
  }

  /** Marks what is chosen. */
  #mark() {
    const chosen = [`tool ${this.tool.name}`, `colour ${this.style.colour}`, `width ${this.style.width}`];
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", chosen.includes(name));
    document.body.dataset.tool = this.tool.name;
  }

  /** @param {{ undoable: boolean, redoable: boolean, zoom: number }} state */
  show({ undoable, redoable, zoom }) {
    document.querySelector("#undo").disabled = !undoable;
    document.querySelector("#redo").disabled = !redoable;
    document.querySelector("#zoom-level").textContent = `${Math.round(zoom * 100)} %`;
  }

  #pressed(event) {
    if (event.target.closest?.("input, dialog")) return;
    const act = event.ctrlKey || event.metaKey ? this.#withControl(event) : !event.altKey && this.#plain(event);
    if (!act) return;
    event.preventDefault();
    act();
    this.#mark();
  }

  #withControl({ key, shiftKey }) {
    const letter = key.toLowerCase();
    if (letter === "z") return shiftKey ? () => this.delegate.redoAsked() : () => this.delegate.undoAsked();
    if (letter === "y") return () => this.delegate.redoAsked();
    return undefined;
  }

  #plain({ key }) {
    const tool = tools.find((it) => it.key === key.toLowerCase());
    if (tool) return () => (this.tool = tool);
    const colour = COLOURS[Number(key) - 1];
    if (colour) return () => (this.style = { ...this.style, colour });
    if (key === "[" || key === "]") return () => this.#changeWidth(key === "]" ? 1 : -1);
    if (key === "+" || key === "=") return () => this.delegate.zoomAsked(1.25);
    if (key === "-") return () => this.delegate.zoomAsked(0.8);
    if (key === "0") return () => this.delegate.fitAsked();
    return undefined;
  }

  #changeWidth(by) {
    const at = WIDTHS.indexOf(this.style.width) + by;
    const width = WIDTHS[Math.min(WIDTHS.length - 1, Math.max(0, at))];
    this.style = { ...this.style, width };
  }
}
