// The sheets that open over the board: the menu, keyboard help, export, the list of objects.

import { commandNamed, readable } from "../input/commands.js";
import { LANGUAGES, choose, chosen, t } from "../state/language.js";
import { chooseTheme, chosenTheme } from "../state/theme.js";
import { tools } from "../tools/tools.js";
import { openSheet } from "./controls.js";

const SECTIONS = ["edit", "arrange", "view", "file"];
const IN_MENU = [
  "hosting", "export", "import", "copyPicture", "copyPlace", "print", "paste", "selectAll", "unlockAll", "objects", "zoomToFit", "replay", "network",
  "help",
];
/** So many objects are listed at once: more are asked for. */
const PAGE = 200;
/** How long others may go on drawing before the list is made anew, in milliseconds. */
const LISTED_EVERY = 250;

const isApple = /Mac|iPhone|iPad/.test(navigator.platform ?? "");

/** Keys that are no commands: those of colours, what is held, and those of the cross. */
const HELD = [
  { name: "colourKeys", keys: ["1 – 8"] },
  { name: "holdToMove", keys: ["Space"] },
  { name: "moveCross", keys: ["← → ↑ ↓"] },
  { name: "pressCross", keys: ["Enter"] },
];

export class Sheets {
  /**
   * @param {{ commands: () => import("../input/commands.js").Command[], exchange: import("../files/exchange.js").Exchange, desk: import("../tools/desk.js").Desk,
   *   settings: import("../state/settings.js").Settings, mayEdit: () => boolean, describe: (element: object) => string,
   *   reload: () => void }} context
   */
  constructor(context) {
    this.context = context;
  }

  start() {
    document.querySelector("#menu-button").addEventListener("click", () => this.open("menu"));
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.querySelector(".close")?.addEventListener("click", () => dialog.close());
      // A press that begins in a sheet and ends beside it, as where words are selected, does not mean to close it.
      let beganBeside = false;
      dialog.addEventListener("pointerdown", (event) => (beganBeside = isBeside(dialog, event)));
      dialog.addEventListener("click", (event) => beganBeside && isBeside(dialog, event) && dialog.close());
    }
    this.#startMenu();
    this.#startExport();
    document.querySelector("#objects-more").addEventListener("click", () => this.#listObjects(this.listed + PAGE));
  }

  /** @param {"menu" | "help" | "export" | "objects" | "link"} name */
  open(name) {
    if (name === "help") this.#fillHelp();
    if (name === "objects") this.#listObjects(PAGE);
    if (name === "menu") this.#showChoices();
    if (name === "export") this.#offerSelection();
    openSheet(document.querySelector(`#${name}`));
  }

  /** Shows a link to be copied by hand, where the browser lets the page not do it. @param {string} link */
  showLink(link) {
    const field = document.querySelector("#link-field");
    field.value = link;
    this.open("link");
    field.select();
  }

  #startMenu() {
    const list = document.querySelector("#menu-list");
    for (const name of IN_MENU) {
      const command = commandNamed(name, this.context.commands());
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.command = name;
      button.append(t(name), keysBeside(command));
      button.addEventListener("click", () => {
        document.querySelector("#menu").close();
        command.run();
      });
      const line = document.createElement("li");
      line.classList.toggle("hosts", command.isHosts === true);
      line.append(button);
      list.append(line);
    }
    this.#startChoices();
  }

  #startChoices() {
    const on = (id, act) => document.querySelector(id).addEventListener("change", ({ target }) => act(target));
    const languages = document.querySelector("#language");
    languages.append(...Object.entries(LANGUAGES).map(([code, name]) => new Option(name, code)));
    on("#language", ({ value }) => {
      choose(value || undefined);
      this.context.reload();
    });
    on("#theme", ({ value }) => chooseTheme(value || undefined));
    on("#grid-choice", ({ checked }) => this.context.settings.grid.choose(checked));
    on("#minimap-choice", ({ checked }) => this.context.settings.minimap.choose(checked));
    on("#pen-choice", ({ checked }) => this.context.settings.pen.choose(checked));
  }

  #showChoices() {
    document.querySelector("#language").value = chosen() ?? "";
    document.querySelector("#theme").value = chosenTheme() ?? "";
    document.querySelector("#grid-choice").checked = this.context.settings.grid.value;
    document.querySelector("#minimap-choice").checked = this.context.settings.minimap.value;
    document.querySelector("#pen-choice").checked = this.context.settings.pen.value;
  }

  #startExport() {
    const sheet = document.querySelector("#export");
    sheet.querySelector("form").addEventListener("submit", () => {
      const { kind, part, paper } = Object.fromEntries(new FormData(sheet.querySelector("form")));
      this.context.exchange.save(kind, part, paper === "on");
    });
    sheet.addEventListener("change", () => this.#showWhetherEmpty());
  }

  /** What is selected can be had where something is. */
  #offerSelection() {
    const parts = document.querySelector("#export [name=part]");
    const own = parts.querySelector("[value=selection]");
    own.disabled = this.context.desk.selection.isEmpty;
    if (own.disabled && parts.value === "selection") parts.value = "board";
    this.#showWhetherEmpty();
  }

  /** A file of nothing is not saved; one of a moment of the past may show that nothing was finished then. */
  #showWhetherEmpty() {
    const isEmpty = this.context.mayEdit() && this.context.exchange.elements(document.querySelector("#export [name=part]").value).length === 0;
    document.querySelector("#export-empty").hidden = !isEmpty;
    document.querySelector("#export-save").disabled = isEmpty;
  }

  #fillHelp() {
    const list = document.querySelector("#help-list");
    /** @type {[string, any[]]} */
    const drawing = ["toolsSection", [...tools.map((tool) => ({ name: tool.name, keys: [tool.key] })), ...HELD]];
    /** @type {[string, any[]][]} */
    const others = SECTIONS.map((section) => [section, this.context.commands().filter((it) => it.section === section && it.keys?.length)]);
    list.replaceChildren(...[drawing, ...others].map(([name, commands]) => helpSection(t(name), commands)));
  }

  /** List and export are about what is on the board also while others draw and delete. */
  elementsChanged() {
    if (!document.querySelector("#objects[open], #export[open]")) return;
    this.listing ??= setTimeout(() => {
      this.listing = undefined;
      if (document.querySelector("#objects").open) this.#listObjects(this.listed);
      else this.#offerSelection();
    }, LISTED_EVERY);
  }

  #listObjects(count) {
    const elements = this.context.exchange.elements("board");
    const list = document.querySelector("#objects-list");
    // Whoever goes through it by keyboard stays where they are.
    const focused = list.querySelector("button:focus")?.getAttribute("data-key");
    list.replaceChildren(...elements.slice(0, count).map((element) => this.#objectLine(element)));
    if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus();
    this.listed = count;
    document.querySelector("#objects-more").hidden = elements.length <= count;
    document.querySelector("#objects-empty").hidden = elements.length > 0;
  }

  #objectLine(element) {
    const line = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = element.key;
    button.textContent = this.context.describe(element);
    button.style.setProperty("--colour", this.context.desk.stage.painter.shown(element.properties.colour).slice(0, 7));
    button.addEventListener("click", () => {
      document.querySelector("#objects").close();
      this.context.desk.goTo(element);
    });
    line.append(button);
    return line;
  }
}

/** Whether a press is on what lies behind a sheet. Its own edge, and what is between its lines, have it as their target as well. */
function isBeside(dialog, { target, clientX, clientY }) {
  const { left, top, right, bottom } = dialog.getBoundingClientRect();
  return target === dialog && (clientX < left || clientX > right || clientY < top || clientY > bottom);
}

/** @param {{ keys?: string[], all?: string[] }} command of whose keys the first one is shown, or all that are given */
function keysBeside({ keys = [], all = keys.slice(0, 1) }) {
  const beside = document.createElement("kbd");
  beside.textContent = all.map((it) => readable(it, isApple)).join(" ");
  return beside;
}

function helpSection(title, commands) {
  const section = document.createElement("section");
  const heading = document.createElement("h3");
  heading.textContent = title;
  const list = document.createElement("dl");
  for (const command of uniquelyNamed(commands)) {
    const [term, keys] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = t(command.name);
    keys.append(keysBeside(command));
    list.append(term, keys);
  }
  section.append(heading, list);
  return section;
}

/** The arrow keys share a name and are one line, with all of them. */
function uniquelyNamed(commands) {
  const seen = new Map();
  for (const command of commands) {
    const all = [...(seen.get(command.name)?.all ?? []), ...command.keys.slice(0, 1)];
    seen.set(command.name, { ...command, all });
  }
  return seen.values();
}
