// What is done to the elements that are selected: copied, arranged, restyled, grouped, locked, deleted.

import { bringBack } from "../board/bringback.js";
import { copyOf, drawCopies } from "../board/copies.js";
import { inOrder } from "../board/element.js";
import { Gesture, deleteAll, patch } from "../board/gesture.js";
import { aligned, reordered, spread } from "../plane/arrange.js";
import * as geometry from "../plane/geometry.js";
import { patchesFor } from "../plane/hits.js";
import { hasInside, opacityOf } from "../plane/shape.js";
import { BROADER, fillOf, inkOn, widthIn, withOpacity } from "./look.js";

/** How far from what it was made of a copy lies, in CSS pixels. */
const ASIDE = 16;

const newGroup = () => 1 + Math.floor(Math.random() * (Number.MAX_SAFE_INTEGER - 1));

export class Editing {
  /** @param {import("./tools.js").ToolContext} context */
  constructor(context) {
    this.context = context;
  }

  get #elements() {
    return this.context.selection.elements;
  }

  #gesture() {
    return new Gesture(this.context);
  }

  selectAll() {
    const { session } = this.context;
    const free = Array.from(session.board.visible()).filter((it) => !session.isBeingDrawn(it) && !it.properties.locked);
    this.context.selection.set(new Set(free.map(({ key }) => key)));
  }

  delete() {
    const elements = this.#elements;
    if (elements.length > 0) deleteAll(this.#gesture(), elements);
  }

  duplicate() {
    const by = this.context.gridStep ?? ASIDE / this.context.viewport.zoom;
    this.draw(this.#elements.sort(inOrder).map((element) => copyOf(element, [by, by])));
  }

  /** Draws copies and selects them. */
  draw(copies) {
    if (copies.length === 0) return;
    const keys = drawCopies(this.#gesture(), copies, newGroup);
    this.context.copiesDrawn();
    // What is locked stays out: a key would move or delete it.
    const { board } = this.context.session;
    this.context.selection.set(new Set(keys.filter((key) => !board.element(key).properties.locked)));
  }

  /** Brings back elements of an earlier moment; says how many look different for that. */
  bringBack(elements) {
    return bringBack(this.#gesture(), elements).length;
  }

  /** Moves, scales or turns all that is selected. */
  map(map) {
    this.#mapEach(this.#elements, () => map);
  }

  #mapEach(elements, mapFor) {
    const gesture = this.#gesture();
    elements.forEach((element, at) => {
      for (const property of patchesFor(element, mapFor(at))) patch(gesture, element, property);
    });
  }

  /** @param {string} side `left`, `centre`, `right`, `top`, `middle` or `bottom` */
  align(side) {
    this.#moveUnits((boxes) => aligned(boxes, side), 2);
  }

  /** @param {0 | 1} axis across or down */
  spread(axis) {
    this.#moveUnits((boxes) => spread(boxes, axis), 3);
  }

  /** Groups are moved as one. */
  #moveUnits(movesOf, least) {
    const units = new Map();
    for (const element of this.#elements) {
      const name = element.properties.group || element.key;
      units.set(name, [...(units.get(name) ?? []), element]);
    }
    if (units.size < least) return;
    const all = Array.from(units.values());
    const boxes = all.map((elements) => elements.map((it) => this.context.boundsOf(it)).reduce(geometry.union));
    const moves = movesOf(boxes);
    const flat = all.flatMap((elements, at) => elements.map((element) => [element, moves[at]]));
    this.#mapEach(flat.map(([element]) => element), (at) => geometry.moved(flat[at][1][0], flat[at][1][1]));
  }

  /** @param {"front" | "back" | "forward" | "backward"} where */
  reorder(where) {
    const { board } = this.context.session;
    const order = Array.from(board.visible()).sort(inOrder).map(({ key, properties: { rank } }) => ({ key, rank }));
    const ranks = reordered(order, this.context.selection.keys, where, board.seq + 1);
    const gesture = this.#gesture();
    for (const [key, rank] of ranks) {
      const element = board.element(key);
      if (element.properties.rank !== rank) patch(gesture, element, { name: "rank", rank });
    }
  }

  group() {
    if (this.#elements.length > 1) this.#setAll({ name: "group", group: newGroup() });
  }

  ungroup() {
    this.#setAll({ name: "group", group: 0 });
  }

  /** What is locked is not selected any more, and cannot be by a tap. */
  lock() {
    this.#setAll({ name: "locked", locked: true });
    this.context.selection.clear();
  }

  unlockAll() {
    return this.#unlock(() => true);
  }

  /** Unlocks an element, with those that are in a group with it. */
  unlock({ key, properties: { group } }) {
    return this.#unlock((it) => it.key === key || (group !== 0 && it.properties.group === group));
  }

  /** Unlocks those of the board that are meant, and selects them; returns how many. */
  #unlock(isMeant) {
    const locked = Array.from(this.context.session.board.visible()).filter((it) => it.properties.locked && isMeant(it));
    const gesture = this.#gesture();
    for (const element of locked) patch(gesture, element, { name: "locked", locked: false });
    this.context.selection.set(new Set(locked.map(({ key }) => key)));
    return locked.length;
  }

  #setAll(property) {
    const gesture = this.#gesture();
    for (const element of this.#elements) if (element.has(property.name)) patch(gesture, element, property);
  }

  /**
   * The style of what is selected: `undefined` is what none of it has, `null` what is not the same everywhere. The width is in
   * units of the board.
   */
  get style() {
    const styles = this.#elements.map(styleOf);
    const common = (name) => {
      const values = new Set(styles.map((style) => style[name]).filter((value) => value !== undefined));
      return values.size > 1 ? null : values.values().next().value;
    };
    return Object.fromEntries(["colour", "width", "fill", "dash", "opacity"].map((name) => [name, common(name)]));
  }

  /** Gives what is selected the chosen style, as far as it changed. */
  restyle(style, changed) {
    const elements = this.#elements;
    if (elements.length === 0) return;
    const gesture = this.#gesture();
    for (const element of elements) {
      for (const property of restyled(element, style, changed, this.context.viewport.zoom)) patch(gesture, element, property);
    }
  }
}

/** By how much more than the chosen width something is broader. */
const broadening = ({ content }) => (content.begin?.tool === "highlighter" ? BROADER : 1);

/** Returns the style by which an element looks as it does: `restyled` the other way round. */
function styleOf(element) {
  const { kind, properties, scale, content } = element;
  const [isNote, isPicture] = [kind === "note", kind === "picture"];
  const opacity = opacityOf(properties.colour);
  const insideOf = (share) => (share === 0 ? "none" : share < 0.6 * opacity ? "light" : "solid");
  return {
    colour: isPicture ? undefined : (isNote ? properties.fill : properties.colour).slice(0, 7),
    opacity: isNote || broadening(element) > 1 ? undefined : Math.round(opacity * 100) / 100,
    fill: kind === "shape" && hasInside(content.kind) ? insideOf(opacityOf(properties.fill)) : undefined,
    width: kind === "stroke" || kind === "shape" ? properties.width / 2 ** scale / broadening(element) : undefined,
    dash: element.has("dash") ? properties.dash : undefined,
  };
}

/** The properties that an element of a kind has by a style, of which some has changed. The rest of the style is its own. */
function restyled(element, style, changed, zoom) {
  const { kind, properties, scale } = element;
  const has = (name) => changed.includes(name);
  const own = { ...styleOf(element), ...Object.fromEntries(changed.map((name) => [name, style[name]])) };
  const given = [];
  if (kind === "picture") {
    return has("opacity") ? [{ name: "colour", colour: withOpacity(properties.colour, style.opacity) }] : [];
  }
  const isHighlighter = broadening(element) > 1;
  if (kind !== "note" && (has("colour") || has("opacity"))) {
    const opacity = has("opacity") && !isHighlighter ? style.opacity : opacityOf(properties.colour);
    const colour = has("colour") ? style.colour : properties.colour;
    given.push({ name: "colour", colour: withOpacity(colour, opacity) });
  }
  if (kind === "note" && has("colour")) {
    given.push({ name: "fill", colour: withOpacity(style.colour, 1) }, { name: "colour", colour: inkOn(style.colour) });
  }
  const isFilled = own.fill !== undefined && own.fill !== "none";
  if (own.fill !== undefined && (has("fill") || ((has("colour") || has("opacity")) && isFilled))) {
    given.push({ name: "fill", colour: fillOf(own) });
  }
  if (has("width") && (kind === "stroke" || kind === "shape")) {
    given.push({ name: "width", width: widthIn(style.width * broadening(element), scale, zoom) });
  }
  if (has("dash") && element.has("dash")) given.push({ name: "dash", dash: style.dash });
  return given;
}
