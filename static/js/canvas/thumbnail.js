// The small picture of the board that the start page shows.

import { THUMBNAIL, rememberBoard } from "../device/boards.js";
import { themeColour } from "../state/theme.js";
import { contextOf } from "./context.js";

/** So often it is kept while the board changes, in milliseconds. */
const INTERVAL = 20_000;
/** CSS pixels of both margins together. */
const MARGINS = 12;

export class Thumbnail {
  /** @param {string} boardName @param {import("./stage.js").Stage} stage */
  constructor(boardName, stage) {
    this.boardName = boardName;
    this.stage = stage;
    /** The picture of the board that it was made of. @type {HTMLCanvasElement | OffscreenCanvas | undefined} */
    this.kept = undefined;
  }

  keepSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.keep();
    }, INTERVAL);
  }

  keep() {
    const { canvas = undefined, shows = undefined } = this.stage.tiles.overview ?? {};
    if (!canvas || !shows || canvas === this.kept) return rememberBoard(this.boardName);
    this.kept = canvas;
    const small = document.createElement("canvas");
    [small.width, small.height] = THUMBNAIL;
    const context = contextOf(small);
    context.fillStyle = themeColour("paper");
    context.fillRect(0, 0, small.width, small.height);
    const scale = Math.min((small.width - MARGINS) / canvas.width, (small.height - MARGINS) / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    context.drawImage(canvas, (small.width - width) / 2, (small.height - height) / 2, width, height);
    return rememberBoard(this.boardName, small.toDataURL("image/webp", 0.7));
  }
}
