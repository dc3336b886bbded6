// Reactions: signs that rise for a moment where their person points, and are kept nowhere.

import { REACTIONS } from "../protocol/names.js";
import { CURSOR_UNITS } from "../session/presence.js";
import { t } from "../state/language.js";

/** Each with its sign. */
export const SIGNS = { thumbUp: "👍", thumbDown: "👎", heart: "❤️", clap: "👏", laugh: "😄", wow: "😮", question: "❓" };
/** How long one is seen, in milliseconds, and how often somebody can send one. */
const LASTS = 2_500;
const APART = 250;

export class Reactions {
  /**
   * @param {{ session: import("../session/session.js").Session, camera: import("../state/camera.js").Camera, stage: import("../canvas/stage.js").Stage,
   *   announcer: import("./announcer.js").Announcer, ask: (message: object) => boolean }} context
   */
  constructor(context) {
    this.context = context;
    this.layer = document.querySelector("#cursors");
    this.lastAt = -Infinity;
  }

  start() {
    const buttons = REACTIONS.map((reaction) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = SIGNS[reaction];
      button.title = t(`reaction.${reaction}`);
      button.setAttribute("aria-label", button.title);
      button.addEventListener("click", () => this.#send(reaction));
      return button;
    });
    document.querySelector("#reactions").replaceChildren(...buttons);
  }

  #send(reaction) {
    if (performance.now() - this.lastAt < APART) return;
    this.lastAt = performance.now();
    this.context.ask({ type: "react", reaction });
  }

  /** @param {number} author @param {string} reaction */
  show(author, reaction) {
    const { session, camera, stage, announcer } = this.context;
    const { name = t("somebody"), at = undefined } = session.people.get(author) ?? {};
    const [width, height] = stage.size;
    const [x, y] = at ? camera.viewport.toScreen(at.map((side) => side / CURSOR_UNITS)) : [width / 2, height / 2];
    const sign = document.createElement("div");
    sign.className = "reaction";
    sign.style.left = `${Math.min(Math.max(x, 40), width - 40)}px`;
    sign.style.top = `${Math.min(Math.max(y, 80), height - 120)}px`;
    const who = document.createElement("span");
    who.textContent = name;
    sign.append(SIGNS[reaction], who);
    this.layer.append(sign);
    setTimeout(() => sign.remove(), LASTS);
    if (author !== session.self) announcer.say(t("reacted", { name, reaction: t(`reaction.${reaction}`) }));
  }
}
