// The trails of lasers: drawn above everything, fading, kept nowhere.

/** How long a trail is seen, in milliseconds. */
const LASTS = 1_200;
const WIDTH = 5;

export class Lasers {
  /** @param {import("./stage.js").Stage} stage @param {(author: number) => string} colourOf */
  constructor(stage, colourOf) {
    this.stage = stage;
    this.colourOf = colourOf;
    /** @type {Map<number, { at: number[], time: number }[]>} */
    this.trails = new Map();
    stage.sketches.add((context, view, ratio) => this.#draw(context, view, ratio));
  }

  /** A laser points at a place of the board. */
  shine(author, at) {
    const trail = this.trails.get(author) ?? [];
    trail.push({ at, time: performance.now() });
    this.trails.set(author, trail);
    this.stage.sketch();
  }

  #draw(context, view, ratio) {
    const now = performance.now();
    for (const [author, trail] of this.trails) {
      while (trail.length > 0 && now - trail[0].time > LASTS) trail.shift();
      if (trail.length === 0) this.trails.delete(author);
      else this.#drawTrail(context, view, ratio, author, trail, now);
    }
    if (this.trails.size > 0) requestAnimationFrame(() => this.stage.sketch());
    return this.trails.size > 0;
  }

  #drawTrail(context, view, ratio, author, trail, now) {
    const toScreen = ([x, y]) => [x * view.scale - view.x, y * view.scale - view.y];
    context.strokeStyle = this.colourOf(author);
    context.lineCap = context.lineJoin = "round";
    let before = toScreen(trail[0].at);
    for (const { at, time } of trail) {
      const here = toScreen(at);
      const age = (now - time) / LASTS;
      context.globalAlpha = 1 - age;
      context.lineWidth = WIDTH * ratio * (1 - age / 2);
      context.beginPath();
      context.moveTo(...before);
      // A point: a line of no length gets its round cap only where it has a direction.
      context.lineTo(here[0] + 0.01, here[1]);
      context.stroke();
      before = here;
    }
    context.globalAlpha = 1;
  }
}
