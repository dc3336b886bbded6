// Bringing back what a board showed at an earlier moment: what is gone since is drawn again, and what was changed is as it was. What
// was drawn since stays. Pure.

import { copyOf, drawCopies } from "./copies.js";
import { inOrder, propertyOf, sameValue } from "./element.js";
import { patch } from "./gesture.js";

/**
 * Brings back elements of an earlier moment as part of a gesture; gives back the keys of what looks different now. Throws `Rejected`.
 *
 * @param {import("./gesture.js").Gesture} gesture
 * @param {import("./element.js").Element[]} elements as they were seen then
 */
export function bringBack(gesture, elements) {
  const { board } = gesture.session;
  const isThere = ({ key }) => board.element(key)?.visible === true;
  const [there, gone] = [elements.filter(isThere), elements.filter((element) => !isThere(element))];
  const changed = there.filter((then) => putBack(gesture, board.element(then.key), then.properties));
  return [...changed.map(({ key }) => key), ...drawAgain(gesture, gone)];
}

/** Gives an element the look that it had; says whether it had another one. */
function putBack(gesture, element, then) {
  const names = Object.keys(then).filter((name) => !sameValue(element.properties[name], then[name]));
  for (const name of names) patch(gesture, element, propertyOf(name, then[name]));
  return names.length > 0;
}

/** Draws what is gone again, where it lay among the others; not what was drawn again before. */
function drawAgain(gesture, gone) {
  const { board } = gesture.session;
  const seen = new Set(Array.from(board.visible(), ({ kind, content, properties }) => placeOf(kind, content, properties.rank)));
  const copies = gone.sort(inOrder).map((element) => copyOf(element)).filter(({ kind, content, rank }) => !seen.has(placeOf(kind, content, rank)));
  const keys = drawCopies(gesture, copies, (group) => group);
  keys.forEach((key, at) => patch(gesture, board.element(key), propertyOf("rank", copies[at].rank)));
  return keys;
}

/** What two elements have in common only where one was drawn for the other: where it begins, on the board and in painting order. */
function placeOf(kind, content, rank) {
  const { x, y } = content.begin ?? content;
  return `${kind} ${x} ${y} ${rank}`;
}
