// The tools, in the order of the toolbar. A tool is one file: its name, key and `start`, which is called when the pointer goes
// down and gives back what follows it: `move(samples)`, `end()` and `cancel()`. One that draws may also have `isMeant`: whether what it
// has drawn so far is kept when another contact interrupts it.
//
// A tool draws by submitting operations to `context.session`; it knows nothing of canvases, sockets or events.

import { cutter, eraser } from "./eraser.js";
import { hand } from "./hand.js";
import { highlighter } from "./highlighter.js";
import { image } from "./image.js";
import { laser } from "./laser.js";
import { pen } from "./pen.js";
import { lasso, select } from "./select.js";
import { arrow, ellipse, line, rectangle } from "./shapes.js";
import { note, text } from "./text.js";

/**
 * @typedef {object} Style how the next thing is drawn
 * @property {string} colour "#rrggbb"
 * @property {number} width in CSS pixels
 * @property {string} fill "none", "light" or "solid"
 * @property {string} dash "solid", "dashed" or "dotted"
 * @property {number} opacity 0 to 1
 * @property {boolean} simulates whether ink of a device without pressure gets some from its speed
 */

/**
 * @typedef {object} Tool
 * @property {string} name a key of the page's words, and the name of its icon
 * @property {string} key which chooses it
 * @property {string} [cursor] as CSS names it; a cross if there is none
 * @property {boolean} [isOneShot] whether one thing is made with it, which is then moved
 * @property {boolean} [keepsSelection] whether what is selected stays so if it is chosen
 * @property {boolean} [needsPen] whether only those may use it who may draw, which is so if nothing is said
 * @property {(context: any, sample: import("../input/pointers.js").Sample) => any} start begins a gesture
 */

/**
 * @typedef {object} ToolContext
 * @property {import("../session/session.js").Session} session
 * @property {import("../plane/viewport.js").Viewport} viewport
 * @property {(viewport: import("../plane/viewport.js").Viewport) => void} setViewport
 * @property {Style} style
 * @property {any} selection what is selected, see `selection.js`
 * @property {(x: number, y: number, reach: number) => import("../board/element.js").Element[]} elementsAt what is at a
 *   place of the screen, topmost first
 * @property {(area: number[]) => import("../board/element.js").Element[]} elementsIn
 * @property {(element: object) => void} offerUnlock offers to unlock an element
 * @property {(element: object) => number[]} boundsOf where an element is seen, in board units
 * @property {(preview: { hidden: Set<string>, elements: object[] }) => void} showPreview shows elements in another way
 * @property {() => void} endPreview
 * @property {(shape: object | undefined, text?: object) => void} showDraft shows the others what is just being dragged out or written
 * @property {(sketch: object | undefined) => void} showOutline shows a box or lasso: `{ places, isClosed }` on the board
 * @property {(place: number[]) => number[]} snap a place of the board, on the grid where there is one
 * @property {number | undefined} gridStep board units between two places to which things snap, where they do
 * @property {() => void} copiesDrawn copies are drawn, and about to be selected
 * @property {(act: () => any) => any} attempt does something that the board may refuse, and then says so
 * @property {string} firstColour the colour that one begins with
 * @property {any} stage where things are painted: not for tools
 * @property {(place: number[]) => void} shine
 * @property {(place: number[], isNote: boolean) => void} write begins a text at a place
 * @property {(element: object) => void} rewrite changes a text
 * @property {(place: number[]) => void} pickImage
 * @property {() => void} toolIsDone the tool was for one thing, and that is done
 */

/** @type {Tool[]} */
export const tools = [
  select, lasso, hand, pen, highlighter, eraser, cutter, line, arrow, rectangle, ellipse, text, note, image, laser,
];
export { eraser, hand, pen, select };
