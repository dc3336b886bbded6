// Everything that can be done by a key or from a menu: its name, its keys, and what it does. The help sheet lists these.

/** Board units in CSS pixels by which arrow keys move what is selected, and the board. */
const NUDGE = 1;
const NUDGE_FAR = 10;
const PAN = 64;

/**
 * @typedef {object} Command
 * @property {string} name a key of the page's words
 * @property {string[]} [keys] as "Mod+Shift+z": Mod is Ctrl, or the command key; letters are small
 * @property {string} section `edit`, `arrange`, `view` or `file`
 * @property {(event?: any) => void} run
 * @property {boolean} [edits] whether it is about the board as it is now
 * @property {boolean} [isHosts] whether only a host can do anything with it
 * @property {boolean} [needsSelection] whether it does nothing where nothing is selected
 * @property {boolean} [isBrowsers] whether its keys are left to the browser, which then tells the page of it
 * @property {boolean} [isEverywhere] whether its keys with Mod mean the board also in a field or sheet: the browser would zoom the page
 */

/**
 * @param {{ desk: import("../tools/desk.js").Desk, camera: import("../state/camera.js").Camera, clipboard: import("./clipboard.js").Clipboard,
 *   exchange: import("../files/exchange.js").Exchange, settings: import("../state/settings.js").Settings, sheets: import("../panels/sheets.js").Sheets,
 *   toolbar: import("../panels/toolbar.js").Toolbar, people: import("../panels/people.js").People, replay: import("../panels/replay.js").Replay,
 *   network: import("../panels/network.js").Network, hosting: import("../panels/hosting.js").Hosting, copyPlace: () => void, focusBoard: () => void }} parts
 * @returns {Command[]}
 */
export function commandsOf({ desk, camera, clipboard, exchange, settings, sheets, toolbar, people, replay, network, hosting, copyPlace, focusBoard }) {
  const { editing, selection } = desk;
  const nudge = (key, dx, dy) => ({
    name: "nudge", section: "arrange", keys: [key, `Shift+${key}`],
    run: (event) => desk.nudge(dx, dy, event?.shiftKey ? NUDGE_FAR : NUDGE, PAN),
  });
  const changes = (section, name, keys, act) => ({ name, section, keys, run: () => desk.attempt(act), needsSelection: true, edits: true });
  const edit = (name, keys, act) => changes("edit", name, keys, act);
  const arrange = (name, keys, act) => changes("arrange", name, keys, act);
  return [
    { name: "undo", section: "edit", keys: ["Mod+z"], edits: true, run: () => desk.undo() },
    { name: "redo", section: "edit", keys: ["Mod+Shift+z", "Mod+y"], edits: true, run: () => desk.redo() },
    { name: "selectAll", section: "edit", keys: ["Mod+a"], edits: true, run: () => desk.selectAll() },
    { ...edit("copy", ["Mod+c"], () => clipboard.copy("copy")), isBrowsers: true },
    { ...edit("cut", ["Mod+x"], () => clipboard.copy("cut")), isBrowsers: true },
    { name: "paste", section: "edit", keys: ["Mod+v"], edits: true, isBrowsers: true, run: () => clipboard.paste() },
    edit("duplicate", ["Mod+d"], () => editing.duplicate()),
    edit("delete", ["Delete", "Backspace"], () => editing.delete()),
    edit("deselect", ["Escape"], () => selection.clear()),
    edit("group", ["Mod+g"], () => editing.group()),
    edit("ungroup", ["Mod+Shift+g"], () => editing.ungroup()),
    edit("lock", ["Mod+l"], () => editing.lock()),
    { name: "unlockAll", section: "edit", keys: ["Mod+Shift+l"], edits: true, run: () => desk.unlockAll() },
    // Brackets stand behind AltGr on many keyboards, where they cannot be pressed with Ctrl; the others stand on every one.
    arrange("front", ["Home", "Mod+Shift+]", "Mod+Shift+}"], () => editing.reorder("front")),
    arrange("forward", ["PageUp", "Mod+]"], () => editing.reorder("forward")),
    arrange("backward", ["PageDown", "Mod+["], () => editing.reorder("backward")),
    arrange("back", ["End", "Mod+Shift+[", "Mod+Shift+{"], () => editing.reorder("back")),
    nudge("ArrowLeft", -1, 0),
    nudge("ArrowRight", 1, 0),
    nudge("ArrowUp", 0, -1),
    nudge("ArrowDown", 0, 1),
    ...["left", "centre", "right", "top", "middle", "bottom"].map((side) => arrange(side, [], () => editing.align(side))),
    arrange("spreadAcross", [], () => editing.spread(0)),
    arrange("spreadDown", [], () => editing.spread(1)),
    { name: "zoomIn", section: "view", keys: ["+", "=", "Mod++", "Mod+="], isEverywhere: true, run: () => camera.zoom(1.25) },
    { name: "zoomOut", section: "view", keys: ["-", "Mod+-", "Mod+_"], isEverywhere: true, run: () => camera.zoom(0.8) },
    { name: "zoomToFit", section: "view", keys: ["0"], run: () => camera.fitAll() },
    { name: "zoomToSelection", section: "view", keys: ["."], run: () => camera.fit(selection.box), needsSelection: true },
    { name: "zoomTo100", section: "view", keys: ["Mod+0"], isEverywhere: true, run: () => camera.zoomTo(1) },
    { name: "toggleGrid", section: "view", keys: ["g"], run: () => settings.grid.toggle() },
    { name: "toggleMinimap", section: "view", keys: ["Shift+m", "Shift+M"], run: () => settings.minimap.toggle() },
    { name: "objects", section: "view", keys: ["Shift+o", "Shift+O"], run: () => sheets.open("objects") },
    { name: "focusBoard", section: "view", keys: ["Mod+Enter"], run: () => focusBoard() },
    { name: "toggleHand", section: "view", keys: ["Shift+h", "Shift+H"], run: () => people.toggleHand() },
    { name: "replay", section: "view", keys: ["Shift+t", "Shift+T"], run: () => replay.open() },
    { name: "network", section: "view", keys: ["Shift+n", "Shift+N"], run: () => network.open() },
    { name: "hosting", section: "file", keys: ["Shift+l", "Shift+L"], run: () => hosting.open(), isHosts: true },
    { name: "help", section: "view", keys: ["?", "Shift+?", "F1"], run: () => sheets.open("help") },
    { name: "export", section: "file", keys: ["Mod+e"], run: () => sheets.open("export") },
    { name: "import", section: "file", keys: ["Mod+o"], edits: true, run: () => clipboard.pickFiles() },
    { name: "copyPicture", section: "file", keys: ["Mod+Shift+c"], run: () => exchange.copyPicture(selection.isEmpty ? "board" : "selection") },
    { name: "copyPlace", section: "file", keys: ["Mod+Shift+k"], run: () => copyPlace() },
    { name: "print", section: "file", keys: ["Mod+p"], run: () => exchange.print() },
    { name: "wider", section: "edit", keys: ["]"], run: () => toolbar.changeWidth(1) },
    { name: "thinner", section: "edit", keys: ["["], run: () => toolbar.changeWidth(-1) },
  ];
}

/** Returns a command by its name, which it has. @param {string} name @param {Command[]} commands */
export const commandNamed = (name, commands) => /** @type {Command} */ (commands.find((it) => it.name === name));

/** The letter or digit at the place of an event's key on a keyboard of Latin script, where that has one. */
const atPlaceOf = ({ code = "" }) => /^(?:Key|Digit)(.)$/.exec(code)?.[1];

/** Whether a key belongs to the composition of an input method; Safari says so of the Enter that ends one only by its code. */
export const isComposed = ({ isComposing, keyCode }) => isComposing || keyCode === 229;

const isThirdLevel = (event) => event.getModifierState?.("AltGraph") === true;

/** The letter or digit that an event means where its key is neither: on a keyboard of another script the one at its place. */
export function letterOf(event) {
  const { key } = event;
  if (key.length !== 1 || isThirdLevel(event)) return key;
  return ((key > "\u007f" && atPlaceOf(event)) || key).toLowerCase();
}

/** The digit at the place of a sign that is typed without Shift, where those of a row need it; `undefined` where it is none. */
export function digitOf(event) {
  const isSign = /^[^a-z0-9]$/i.test(event.key) && !event.shiftKey && !isThirdLevel(event);
  const place = atPlaceOf(event);
  return isSign && place !== undefined && /\d/.test(place) ? place : undefined;
}

/** The modifiers that are held beside those that only type a sign: Windows reports AltGr as Ctrl and Alt, a Mac its Option key as Alt. */
function heldIn(event) {
  const { ctrlKey, metaKey, altKey, shiftKey } = event;
  const typesSign = event.key.length === 1 && (isThirdLevel(event) || (altKey && /[[\]{}]/.test(event.key)));
  if (!typesSign) return { mod: ctrlKey || metaKey, alt: altKey, shift: shiftKey };
  return { mod: metaKey || (ctrlKey && !altKey), alt: false, shift: shiftKey };
}

/** How an event is written as keys. */
export function keysOf(event) {
  const { mod, alt, shift } = heldIn(event);
  return [mod && "Mod", alt && "Alt", shift && "Shift", letterOf(event)].filter(Boolean).join("+");
}

/** The command of an event's keys. A digit or a sign such as + or ? may need Shift on some keyboards: then that is not looked at. */
export function commandFor(commands, event) {
  const keys = keysOf(event);
  const plain = /^[^a-z]$/i.test(letterOf(event)) ? keys.replace("Shift+", "") : keys;
  const own = commands.filter(({ isBrowsers }) => !isBrowsers);
  return own.find((command) => command.keys?.includes(keys)) ?? own.find((command) => command.keys?.includes(plain));
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Delete: "Del" };

/** Keys as people read them. */
export function readable(keys, isApple) {
  const part = (it) => (it === "Mod" ? (isApple ? "⌘" : "Ctrl") : (SIGNS[it] ?? (it.length === 1 ? it.toUpperCase() : it)));
  return keys.split(/\+(?!$)/).map(part).join(isApple ? " " : "+");
}
