// Who this is: a secret client id for this tab, and the person's name and colour for this browser.

import { toHex } from "../protocol/bytes.js";
import { NAME } from "../protocol/limits.js";
import { claimed } from "./outbox.js";
import { keep, kept } from "./storage.js";

const NAMES = ["Otter", "Heron", "Lynx", "Wren", "Marten", "Ibis", "Newt", "Finch", "Badger", "Swift", "Hare", "Owl"];
export const COLOURS = ["#1c1c28", "#e03231", "#f08c00", "#2b8a3e", "#1971c2", "#7048e8", "#c2255c", "#868e96"];
/** Their names: keys of the page's words. */
export const COLOUR_NAMES = ["black", "red", "orange", "green", "blue", "violet", "pink", "grey"];

const SESSION_KEY = "inkwire.client";
const PERSON_KEY = "inkwire.person";
const VISITOR_KEY = "inkwire.visitor";
const LINKS_KEY = "inkwire.links";

/**
 * The client that draws here: a reloaded tab goes on as who it was. A duplicated tab must not be the same client: so its id lies
 * in the storage only while the tab is away.
 */
export async function takeClient(board, outbox) {
  const left = kept("sessionStorage", SESSION_KEY);
  keep("sessionStorage", SESSION_KEY, undefined);
  const own = left?.board === board ? left : undefined;
  return (own && (await takenOver(board, outbox, own))) ?? newClient();
}

/** The clients of tabs that are gone and have left something behind, which this tab brings to the server. */
export async function takeOthers(board, outbox, self) {
  const others = [];
  for (const clientId of await outbox.clients(board)) {
    const other = clientId !== self.clientId && (await takenOver(board, outbox, { clientId, nextCseq: 1 }));
    if (other) others.push(other);
  }
  return others;
}

/** A client with what it has left to send; nothing where another tab has it. */
async function takenOver(board, outbox, { clientId, nextCseq }) {
  if (!(await claimed(clientId))) return undefined;
  const { epoch, operations } = await outbox.operations(board, clientId);
  return { clientId, nextCseq: Math.max(nextCseq, (operations.at(-1)?.cseq ?? 0) + 1), epoch, operations };
}

const secret = () => toHex(crypto.getRandomValues(new Uint8Array(16)));

/** The secret of this browser, by which it is known again where a host has banned it. */
export function visitor() {
  const known = kept("localStorage", VISITOR_KEY);
  if (/^[0-9a-f]{32}$/.test(known)) return known;
  const fresh = secret();
  keep("localStorage", VISITOR_KEY, fresh);
  return fresh;
}

/** The secrets of a board's links that this browser has: `own` is the one that it comes by. @returns {Record<string, string>} */
export function linksOf(board) {
  return kept("localStorage", LINKS_KEY)?.[board] ?? {};
}

/** Keeps or forgets the secret of a link. @param {string} which `own`, or a role @param {string | undefined} token */
export function keepLink(board, which, token) {
  const all = kept("localStorage", LINKS_KEY) ?? {};
  keep("localStorage", LINKS_KEY, { ...all, [board]: { ...all[board], [which]: token } });
}

function newClient() {
  const clientId = secret();
  // Nobody else can have it: there is nothing to wait for.
  claimed(clientId);
  return { clientId, nextCseq: 1, operations: [] };
}

/** The page has come back as it was: what was kept for another one to take over is not true any more. */
export function comeBack() {
  keep("sessionStorage", SESSION_KEY, undefined);
}

/** Keeps the client for when the tab comes back. */
export function keepClient(board, { clientId }, nextCseq) {
  keep("sessionStorage", SESSION_KEY, { board, clientId, nextCseq });
}

const any = (list) => list[Math.floor(Math.random() * list.length)];

/** The person's name and colour, as kept in this browser. */
export function person() {
  const known = kept("localStorage", PERSON_KEY);
  if (known) return { name: String(known.name), colour: String(known.colour) };
  const fresh = { name: any(NAMES), colour: any(COLOURS.slice(1, -1)) };
  keepPerson(fresh);
  return fresh;
}

export function keepPerson({ name, colour }) {
  keep("localStorage", PERSON_KEY, { name, colour });
}

/** Name and colour as the protocol takes them. */
export function profile() {
  const { name, colour } = person();
  return { name: shortened(name, NAME), colour: `${colour}ff` };
}

/** A name that fits the protocol: as many of its characters as go into `limit` bytes. */
export function shortened(name, limit) {
  const bytes = (text) => new TextEncoder().encode(text).length;
  let letters = Array.from(name).slice(0, limit);
  while (bytes(letters.join("")) > limit) letters = letters.slice(0, -1);
  return letters.join("");
}
