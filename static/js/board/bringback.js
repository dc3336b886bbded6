// Bringing back what a board showed at an earlier moment: what is gone since is drawn again, and what was changed is as it was. What
// was drawn since stays. Pure.

import { copyOf, drawCopies } from "./copies.js";
import { Rejected, inOrder } from "./element.js";
import { patch } from "./gesture.js";
import { LATER, PROPERTIES, propertyOf, sameValue } from "./properties.js";

/** Properties that are not in the operation that draws a copy, and by which copies look different. */
const SEEN_LATER = LATER.filter((name) => PROPERTIES[name].isSeen);

/**
 * Brings back elements of an earlier moment as part of a gesture; gives back the keys of what looks different now. Throws `Rejected`
 * where a rule is in the way: then nothing is brought back.
 *
 * @param {import("./gesture.js").Gesture} gesture
 * @param {import("./element.js").Element[]} elements as they were seen then
 */
export function bringBack(gesture, elements) {
  const { board } = gesture.session;
  /** @type {import("./element.js").Element[][]} */
  const [there, gone] = [[], []];
  for (const then of elements) (board.element(then.key)?.visible ? there : gone).push(then);
  try {
    // What is new comes first: nobody can have deleted it meanwhile, so that nothing closes the gesture.
    return [...drawAgain(gesture, missing(board, there, gone)), ...putBack(gesture, there)];
  } catch (error) {
    if (error instanceof Rejected) gesture.takeBack();
    throw error;
  }
}

/** What is gone and was not drawn again since: nothing that looks like it is where it was. */
function missing(board, there, gone) {
  if (gone.length === 0) return gone;
  const known = new Set(there.map(({ key }) => key));
  const later = Array.from(board.visible()).filter(({ key }) => !known.has(key));
  const looks = new Set(later.map(lookOf));
  return gone.filter((then) => !looks.has(lookOf(then))).sort(inOrder);
}

function lookOf(element) {
  const { kind, content, ...later } = copyOf(element);
  return JSON.stringify([kind, content, ...SEEN_LATER.map((name) => later[name])]);
}

/** Draws elements as they were made, and then has done to each what had been done to it. */
function drawAgain(gesture, gone) {
  const { board } = gesture.session;
  return gone.map((then) => {
    const made = then.copy();
    made.properties = made.made();
    const [key] = drawCopies(gesture, [copyOf(made)], (group) => group);
    giveLook(gesture, board.element(key), then.properties);
    return key;
  });
}

/** Gives elements that are there the look that they had; gives back the keys of those that had another one. */
function putBack(gesture, there) {
  const { session } = gesture;
  const isFree = ({ key }) => !session.isBeingDrawn(session.board.element(key));
  return there.filter((then) => isFree(then) && giveLook(gesture, session.board.element(then.key), then.properties)).map(({ key }) => key);
}

/** Gives an element the properties that one had; says whether any of them was different. */
function giveLook(gesture, element, properties) {
  const names = Object.keys(properties).filter((name) => !sameValue(element.properties[name], properties[name]));
  for (const name of names) patch(gesture, element, propertyOf(name, properties[name]));
  return names.length > 0;
}
