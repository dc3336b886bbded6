// How much there is to draw in an SVG, told from its text before anybody draws it. Pure.

/** What is no element: where it begins, and behind what it ends. */
const ASIDES = [["<!--", "-->"], ["<![CDATA[", "]]>"], ["<?", "?>"]];
const ENTITY = "<!ENTITY";

/**
 * How many elements a browser draws for an SVG, in which a few can stand for millions: whatever refers to another one by its id
 * draws it once more. `Infinity` where it cannot be told.
 *
 * @param {string} text
 */
export function drawnBy(text) {
  if (hasHeavyEntity(text)) return Infinity;
  const { elements, ids, styled } = scanned(text);
  const all = styled.filter((id) => ids.has(id));
  if (elements.length * all.length > 1_000_000) return Infinity;
  const known = new Map();
  const drawnFor = (at) => {
    if (known.has(at)) return known.get(at);
    // What refers to itself is drawn by no browser.
    known.set(at, 0);
    const { children, references } = elements[at];
    const referred = [...references, ...all].map((id) => ids.get(id)).filter((found) => found !== undefined);
    let count = 1;
    for (const part of [...children, ...referred]) count += drawnFor(part);
    known.set(at, count);
    return count;
  };
  try {
    return drawnFor(0);
  } catch (error) {
    // They stand in one another, or refer to the next one, too many times in a row.
    if (error instanceof RangeError) return Infinity;
    throw error;
  }
}

/** One that has elements or other entities in it can come to anything. */
function hasHeavyEntity(text) {
  for (let at = text.indexOf(ENTITY); at >= 0; at = text.indexOf(ENTITY, at)) {
    const end = endOfTag(text, at);
    if (/[<&]/.test(text.slice(at + ENTITY.length, end))) return true;
    at = end;
  }
  return false;
}

/** The elements with what stands in them and what they refer to, where each id is, and the ids in style sheets. */
function scanned(text) {
  /** @type {{ children: number[], references: any[] }[]} */
  const elements = [{ children: [], references: [] }];
  const ids = new Map();
  /** @type {any[]} */
  const styled = [];
  const open = [0];
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const aside = ASIDES.find(([begin]) => text.startsWith(begin, at));
    const end = aside ? behind(text, aside[1], at) : endOfTag(text, at);
    const tag = text.slice(at, end);
    at = end;
    if (aside || tag.startsWith("<!")) continue;
    if (tag.startsWith("</")) {
      if (open.length > 1) open.pop();
      continue;
    }
    elements[open[open.length - 1]].children.push(elements.length);
    const id = tag.match(/\sid\s*=\s*(?:"([^"]*)"|'([^']*)')/);
    if (id) ids.set(id[1] ?? id[2], elements.length);
    if (/^<([^\s>]*:)?style[\s>]/.test(tag)) styled.push(...referredTo(text.slice(end, Math.max(end, text.indexOf("</", end)))));
    if (!tag.endsWith("/>")) open.push(elements.length);
    elements.push({ children: [], references: referredTo(tag) });
  }
  return { elements, ids, styled };
}

const referredTo = (text) => Array.from(text.matchAll(/#([^\s"'()<>;]+)/g), ([, id]) => id);

function behind(text, mark, from) {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at + mark.length;
}

/** Behind the `>` of a tag, which may also stand in its quotes. */
function endOfTag(text, from) {
  let quote;
  for (let at = from; at < text.length; at++) {
    const letter = text[at];
    if (quote ? letter === quote : letter === ">") {
      if (!quote) return at + 1;
      quote = undefined;
    } else if (!quote && (letter === '"' || letter === "'")) quote = letter;
  }
  return text.length;
}
