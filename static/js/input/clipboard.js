// Takes things from the clipboard, from drags and from files, and copies to the clipboard.

const TEXT_FIELDS = "textarea, input:not([type=checkbox], [type=range], [type=color], [type=file])";

const files = () => /** @type {any} */ (document.querySelector("#files"));

export class Clipboard {
  /**
   * @param {import("../files/exchange.js").Exchange} exchange
   * @param {{ mayEdit: () => boolean, cut: () => void, place: () => number[], toBoard: (place: number[]) => number[], taken: () => void }} page
   *   whether the board may be changed now, what deletes the selection, where on the board things go, where a place of the screen is on
   *   it, and what hears that picked files are on it
   */
  constructor(exchange, page) {
    this.exchange = exchange;
    this.page = page;
    /** Where picked files go. @type {number[] | undefined} */
    this.filesAt = undefined;
  }

  start() {
    this.#listenToClipboard();
    this.#listenToDrops();
    files().addEventListener("change", () => this.#takePicked());
  }

  #listenToClipboard() {
    const isElsewhere = ({ target }) => target.closest?.("input, textarea, dialog") !== null && target.closest !== undefined;
    const on = (type, act) => document.addEventListener(type, (event) => isElsewhere(event) || act(event));
    const copy = (event) => this.exchange.copy(event.clipboardData) && event.preventDefault();
    on("copy", copy);
    on("cut", (event) => {
      copy(event);
      if (this.page.mayEdit()) this.page.cut();
    });
    on("paste", (event) => {
      event.preventDefault();
      if (this.page.mayEdit()) this.exchange.paste(event.clipboardData, this.page.place());
    });
  }

  #listenToDrops() {
    // Words that are dropped on a field are left to it; a file would take the page away.
    const isFields = ({ target, dataTransfer }) => target.closest?.(TEXT_FIELDS) && !dataTransfer.types.includes("Files");
    let isOwn = false;
    addEventListener("dragstart", () => (isOwn = true));
    addEventListener("dragend", () => (isOwn = false));
    addEventListener("dragover", (event) => isFields(event) || event.preventDefault());
    addEventListener("drop", (event) => {
      if (isFields(event)) return;
      event.preventDefault();
      // A link of the page that slips is not meant for the board.
      if (isOwn || !this.page.mayEdit()) return;
      this.exchange.paste(/** @type {DataTransfer} */ (event.dataTransfer), this.page.toBoard([event.clientX, event.clientY]));
    });
  }

  /** As the browser's own keys do it: its clipboard takes what is copied also if a page may not write to it. @param {"copy" | "cut"} how */
  copy(how) {
    document.execCommand(how);
  }

  paste() {
    this.exchange.pasteAsked(this.page.place());
  }

  /** Asks for files. @param {number[]} [place] of the board, to which they go */
  pickFiles(place = this.page.place()) {
    this.filesAt = place;
    files().click();
  }

  async #takePicked() {
    const picked = Array.from(files().files);
    files().value = "";
    await this.exchange.take(picked, this.filesAt);
    this.page.taken();
  }
}
