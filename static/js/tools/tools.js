// The tools, in the order of the toolbar. A tool is one file: its name, label and key, and `start`, which is called when
// the pointer goes down and gives back what follows it: `move(samples)`, `end()` and `cancel()`.
//
// A tool draws by submitting operations to `context.session`; it knows nothing of canvases, sockets or events.

import { eraser } from "./eraser.js";
import { hand } from "./hand.js";
import { highlighter } from "./highlighter.js";
import { pen } from "./pen.js";

/**
 * @typedef {object} ToolContext
 * @property {import("../session.js").Session} session
 * @property {import("../viewport.js").Viewport} viewport
 * @property {(viewport: import("../viewport.js").Viewport) => void} setViewport
 * @property {{ colour: string, width: number }} style colour as "#rrggbb", width in CSS pixels
 * @property {(x: number, y: number, reach: number) => import("../board/element.js").Element[]} elementsAt
 */

export const tools = [pen, highlighter, eraser, hand];
