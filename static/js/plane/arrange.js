// Where elements go that are aligned, spread, brought forward or snapped. Pure arithmetic on boxes and ranks.

import { RANKS_BETWEEN } from "../protocol/limits.js";
import { middleOf, union } from "./geometry.js";

const SIDES = {
  left: (box, all) => [all[0] - box[0], 0],
  centre: (box, all) => [middleOf(all)[0] - middleOf(box)[0], 0],
  right: (box, all) => [all[2] - box[2], 0],
  top: (box, all) => [0, all[1] - box[1]],
  middle: (box, all) => [0, middleOf(all)[1] - middleOf(box)[1]],
  bottom: (box, all) => [0, all[3] - box[3]],
};

/** How far each box moves so that all stand at one side, by name: `left`, `centre`, `right`, `top`, `middle`, `bottom`. */
export function aligned(boxes, side) {
  const all = boxes.reduce(union);
  return boxes.map((box) => SIDES[side](box, all));
}

/** How far each box moves so that the gaps between them are the same, along an axis: 0 across, 1 down. */
export function spread(boxes, axis) {
  const order = boxes.map((_, at) => at).sort((one, other) => boxes[one][axis] - boxes[other][axis]);
  const length = (box) => box[axis + 2] - box[axis];
  const all = boxes.reduce(union);
  const free = length(all) - boxes.reduce((sum, box) => sum + length(box), 0);
  const gap = free / Math.max(1, boxes.length - 1);
  const moves = [];
  let next = all[axis];
  for (const at of order) {
    const by = next - boxes[at][axis];
    moves[at] = axis === 0 ? [by, 0] : [0, by];
    next += length(boxes[at]) + gap;
  }
  return moves;
}

/**
 * The new ranks of what is selected, given the ranks of everything in painting order, so that the selected ones keep their
 * own order. `where` is `front`, `back`, `forward` or `backward`; `next` the sequence number that the next element gets.
 *
 * @param {{ key: string, rank: number }[]} order
 * @param {Set<string>} selected
 * @returns {Map<string, number>}
 */
export function reordered(order, selected, where, next) {
  const chosen = order.filter(({ key }) => selected.has(key));
  const others = order.filter(({ key }) => !selected.has(key));
  const [low, high] = place(order, others, selected, where, next);
  const step = (high - low) / (chosen.length + 1);
  return new Map(chosen.map(({ key }, at) => [key, Math.round(low + step * (at + 1))]));
}

/** Between which ranks the selected ones go. */
function place(order, others, selected, where, next) {
  const top = others.at(-1)?.rank ?? 0;
  const bottom = others[0]?.rank ?? 0;
  if (others.length === 0 || where === "front") return [top, Math.max(top + RANKS_BETWEEN, next * RANKS_BETWEEN)];
  if (where === "back") return [bottom - RANKS_BETWEEN, bottom];
  // Beside the next other element above the topmost, or below the lowest one that is selected.
  const at = where === "forward" ? order.findLastIndex(({ key }) => selected.has(key)) : order.findIndex(({ key }) => selected.has(key));
  const passed = order.slice(0, at).filter(({ key }) => !selected.has(key)).length;
  const position = where === "forward" ? Math.min(others.length, passed + 1) : Math.max(0, passed - 1);
  const above = others[position]?.rank ?? Math.max(top + RANKS_BETWEEN, next * RANKS_BETWEEN);
  const below = others[position - 1]?.rank ?? above - RANKS_BETWEEN;
  return [below, above];
}

/** A place on the nearest crossing of a grid. @type {(place: number[], step: number) => number[]} */
export const snapped = ([x, y], step) => [Math.round(x / step) * step, Math.round(y / step) * step];
