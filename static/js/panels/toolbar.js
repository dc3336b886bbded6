// The toolbar: which tool and style the next thing has, undo and redo, the zoom; and the bar of what is selected.

import { COLOURS, COLOUR_NAMES } from "../device/identity.js";
import { keep, kept } from "../device/storage.js";
import { commandNamed, digitOf, letterOf } from "../input/commands.js";
import { label, t } from "../state/language.js";
import { pen, tools } from "../tools/tools.js";
import { icon } from "./icons.js";
import { rove } from "./roving.js";

const WIDTHS = [2, 4, 8, 16];
const FILLS = ["none", "light", "solid"];
const DASHES = ["solid", "dashed", "dotted"];
const MOST_RECENT = 8;
/** The zoom is shown at most so often, in milliseconds. */
const ZOOM_INTERVAL = 100;
const KEY = "inkwire.style";

/** The buttons of what is selected, in groups: names of commands. */
const SELECTION_BUTTONS = [
  ["copy", "duplicate", "delete"], ["group", "ungroup", "lock"], ["front", "forward", "backward", "back"],
  ["left", "centre", "right", "top", "middle", "bottom"], ["spreadAcross", "spreadDown"],
];

/** What the toolbar tells. */
export class ToolbarDelegate {
  undo() {}
  redo() {}
  zoom(factor) {}
  fitAll() {}
  /** Another tool was chosen. */
  toolChosen(tool) {}
  /** The style is another one; `changed` names what. @param {string[]} changed */
  styleChosen(style, changed) {}
}

const isColour = (it) => /^#[0-9a-f]{6}$/.test(it);

function keptStyle() {
  const { colour, width, fill, dash, opacity, simulates, recent } = kept("localStorage", KEY) ?? {};
  return {
    colour: isColour(colour) ? colour : COLOURS[0],
    width: WIDTHS.includes(width) ? width : WIDTHS[1],
    fill: FILLS.includes(fill) ? fill : "none",
    dash: DASHES.includes(dash) ? dash : "solid",
    opacity: opacity >= 0.1 && opacity <= 1 ? opacity : 1,
    simulates: simulates === true,
    recent: Array.isArray(recent) ? recent.filter(isColour).slice(0, MOST_RECENT) : [],
  };
}

export class Toolbar {
  /** @param {ToolbarDelegate & { commands: () => import("../input/commands.js").Command[] }} delegate */
  constructor(delegate) {
    this.delegate = delegate;
    /** @type {import("../tools/tools.js").Tool} */
    this.tool = pen;
    const { recent, ...style } = keptStyle();
    /** @type {import("../tools/tools.js").Style} */
    this.style = style;
    this.recent = recent;
    /** The style of what is selected, as `Editing.style` has it. */
    this.ofSelection = {};
    this.zoom = 1;
    this.inkShown = (colour) => colour;
    this.buttons = new Map();
  }

  start() {
    const fill = (id, buttons) => document.querySelector(id).replaceChildren(...buttons);
    fill("#tools", tools.map((tool) => this.#toolButton(tool)));
    fill("#colours", COLOURS.map((colour, at) => this.#colourButton(colour, t(COLOUR_NAMES[at]))));
    fill("#widths", WIDTHS.map((width) => this.#widthButton(width)));
    fill("#fills", FILLS.map((it) => this.#choiceButton("fill", it)));
    fill("#dashes", DASHES.map((it) => this.#choiceButton("dash", it)));
    const on = (id, name, act) => {
      const button = document.querySelector(id);
      if (name) button.append(icon(name));
      button.addEventListener("click", act);
    };
    on("#undo", "undo", () => this.delegate.undo());
    on("#redo", "redo", () => this.delegate.redo());
    on("#zoom-in", "zoomIn", () => this.delegate.zoom(1.25));
    on("#zoom-out", "zoomOut", () => this.delegate.zoom(0.8));
    on("#zoom-level", undefined, () => this.delegate.fitAll());
    on("#more-style", "style", () => this.#toggleStyle());
    this.#startStyle();
    this.#startSelection();
    this.#mark();
    for (const id of ["#toolbar", "#selection-bar"]) rove(document.querySelector(id));
  }

  #startStyle() {
    const [custom, opacity, simulates] = ["#custom-colour", "#opacity", "#simulates"].map((id) => document.querySelector(id));
    custom.addEventListener("change", () => this.choose({ colour: custom.value }));
    // Not with every step of the slider: each is something to undo on what is selected.
    opacity.addEventListener("change", () => this.choose({ opacity: Number(opacity.value) / 100 }));
    simulates.addEventListener("change", () => this.choose({ simulates: simulates.checked }));
    document.addEventListener("pointerdown", ({ target }) => {
      const isThere = target instanceof Element && target.closest("#style-sheet, #more-style");
      if (!isThere) this.#toggleStyle(false);
    });
    document.addEventListener("pointerdown", ({ target, button }) => {
      const isThere = target instanceof Element && target.closest("#locked");
      if (!isThere && button === 0) this.#withdrawOffer();
    });
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.#withdrawOffer());
    document.querySelector("#style-sheet").addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      this.#toggleStyle(false);
      document.querySelector("#more-style").focus();
    });
  }

  #toggleStyle(isShown = document.querySelector("#style-sheet").hidden) {
    document.querySelector("#style-sheet").hidden = !isShown;
    document.querySelector("#more-style").setAttribute("aria-expanded", String(isShown));
  }

  #startSelection() {
    const bar = document.querySelector("#selection-bar");
    for (const names of SELECTION_BUTTONS) {
      const group = document.createElement("div");
      group.className = "buttons";
      for (const name of names) {
        const command = commandNamed(name, this.delegate.commands());
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.command = name;
        label(button, t(name));
        button.append(icon(name));
        button.addEventListener("click", () => command.run());
        group.append(button);
      }
      bar.append(group);
    }
  }

  /** Offers to unlock something, until something else is done. @param {string} words what it is @param {() => void} act */
  offerUnlock(words, act) {
    this.#withdrawOffer();
    const [menu, item] = [document.createElement("div"), document.createElement("button")];
    menu.id = "locked";
    menu.className = "group";
    menu.setAttribute("role", "menu");
    menu.setAttribute("aria-label", words);
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.append(icon("lock"), t("unlock"));
    item.addEventListener("click", () => {
      this.#withdrawOffer();
      act();
    });
    menu.append(item);
    document.querySelector("#selection-bar").after(menu);
    return item;
  }

  #withdrawOffer() {
    document.querySelector("#locked")?.remove();
  }

  #button(name, words, act) {
    const button = document.createElement("button");
    button.type = "button";
    label(button, words);
    button.addEventListener("click", (event) => {
      act();
      // Whoever clicked goes on on the board, where space moves it; whoever pressed a key stays here.
      if (event.detail > 0) button.blur();
    });
    this.buttons.set(name, button);
    return button;
  }

  #toolButton(tool) {
    const button = this.#button(`tool ${tool.name}`, `${t(tool.name)} (${tool.key.toUpperCase()})`, () => this.chooseTool(tool));
    button.dataset.tool = tool.name;
    button.dataset.needsPen = String(tool.needsPen !== false);
    button.append(icon(tool.name));
    return button;
  }

  #colourButton(colour, words) {
    const button = this.#button(`colour ${colour}`, words, () => this.choose({ colour }));
    button.className = "colour";
    button.dataset.colour = colour;
    return button;
  }

  #widthButton(width) {
    const button = this.#button(`width ${width}`, t("widthOf", { width }), () => this.choose({ width }));
    button.className = "width";
    button.style.setProperty("--width", `${Math.min(18, width + 2)}px`);
    return button;
  }

  #choiceButton(name, value) {
    const button = this.#button(`${name} ${value}`, t(`${name}.${value}`), () => this.choose({ [name]: value }));
    button.className = `choice ${name}-${value}`;
    return button;
  }

  chooseTool(tool) {
    this.#withdrawOffer();
    this.tool = tool;
    this.#mark();
    this.#bringIntoSight(`tool ${tool.name}`);
    this.delegate.toolChosen(tool);
  }

  /** @param {Partial<import("../tools/tools.js").Style>} changes */
  choose(changes) {
    this.style = { ...this.style, ...changes };
    if (changes.colour && !COLOURS.includes(changes.colour)) {
      this.recent = [changes.colour, ...this.recent.filter((colour) => colour !== changes.colour)].slice(0, MOST_RECENT);
    }
    keep("localStorage", KEY, { ...this.style, recent: this.recent });
    this.#mark();
    for (const [name, value] of Object.entries(changes)) this.#bringIntoSight(`${name} ${value}`);
    this.delegate.styleChosen(this.style, Object.keys(changes));
  }

  /** A tool that is chosen by a key may lie in a part of its strip that is out of sight. @param {string} name */
  #bringIntoSight(name) {
    this.buttons.get(name)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  changeWidth(by) {
    const from = this.#shown.width ?? this.style.width;
    const width = by > 0 ? WIDTHS.find((it) => it > from) : WIDTHS.findLast((it) => it < from);
    this.choose({ width: width ?? (by > 0 ? WIDTHS.at(-1) : WIDTHS[0]) });
  }

  /** The style that is shown: that of what is selected, so far as it has one. */
  get #shown() {
    const shown = { ...this.style };
    for (const [name, value] of Object.entries(this.ofSelection)) if (value !== undefined) shown[name] = value;
    // Rounded to units of the board, it may be a little beside what was chosen.
    if (this.ofSelection.width) shown.width = Math.round(this.ofSelection.width * this.zoom);
    return shown;
  }

  /** A key that may mean a tool or a colour; says whether it does. */
  keyPressed(event) {
    const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
    const letter = digitOf(event) ?? letterOf(event);
    if (ctrlKey || metaKey || altKey || (shiftKey && !/^\p{Nd}$/u.test(key))) return false;
    const tool = tools.find((it) => it.key === letter);
    const colour = COLOURS[Number(letter) - 1];
    if (tool) this.chooseTool(tool);
    else if (colour) this.choose({ colour });
    return tool !== undefined || colour !== undefined;
  }

  /** Colours are shown as ink of them is. @param {(colour: string) => string} shown */
  showColours(shown) {
    this.inkShown = shown;
    const seen = (colour) => shown(`${colour}ff`).slice(0, 7);
    for (const swatch of document.querySelectorAll("[data-colour]")) swatch.style.setProperty("--colour", seen(swatch.dataset.colour));
    document.querySelector("#more-style").style.setProperty("--colour", seen(this.#shown.colour ?? this.style.colour));
  }

  /** Marks what is chosen. */
  #mark() {
    const { colour, width, fill, dash, opacity, simulates } = this.#shown;
    document.querySelector("#recent").replaceChildren(...this.recent.map((it) => this.#colourButton(it, it)));
    const chosen = [`tool ${this.tool.name}`, `colour ${colour}`, `width ${width}`, `fill ${fill}`, `dash ${dash}`];
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(chosen.includes(name)));
    document.body.style.setProperty("--cursor", this.tool.cursor ?? "crosshair");
    this.showColours(this.inkShown);
    document.querySelector("#custom-colour").value = colour ?? this.style.colour;
    document.querySelector("#opacity").value = String(Math.round((opacity ?? this.style.opacity) * 100));
    document.querySelector("#simulates").checked = simulates;
  }

  /** @param {{ undoable: boolean, redoable: boolean }} state */
  show({ undoable, redoable }) {
    if (undoable !== this.undoable) document.querySelector("#undo").disabled = !undoable;
    if (redoable !== this.redoable) document.querySelector("#redo").disabled = !redoable;
    this.undoable = undoable;
    this.redoable = redoable;
  }

  /** @param {number} zoom */
  showZoom(zoom) {
    this.zoom = zoom;
    // Nobody reads it in every frame of a zoom, and each time the page is laid out anew.
    this.zoomTimer ??= setTimeout(() => {
      this.zoomTimer = undefined;
      document.querySelector("#zoom-level").textContent = `${Math.round(this.zoom * 100)} %`;
      // How broad something is on the screen has changed with it.
      if (this.ofSelection.width) this.#mark();
    }, ZOOM_INTERVAL);
  }

  /** Shows what can be done with what is selected, and its style. @param {any} selection @param {object} style */
  showSelection(selection, style) {
    this.ofSelection = style;
    this.#mark();
    document.querySelector("#selection-bar").hidden = selection.isEmpty;
    if (selection.isEmpty) return;
    const elements = selection.elements;
    const units = new Set(elements.map(({ key, properties: { group } }) => group || key)).size;
    const isGrouped = elements.some(({ properties: { group } }) => group !== 0);
    const fits = {
      group: units > 1, ungroup: isGrouped, spreadAcross: units > 2, spreadDown: units > 2,
      left: units > 1, centre: units > 1, right: units > 1, top: units > 1, middle: units > 1, bottom: units > 1,
    };
    for (const button of document.querySelectorAll("#selection-bar button")) {
      button.hidden = fits[button.dataset.command] === false;
    }
  }
}

