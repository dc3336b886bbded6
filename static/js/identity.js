// Who this is: a secret client id for this tab, and the person's name and colour for this browser.

import { claimed } from "./outbox.js";
import { toHex } from "./protocol/bytes.js";

const NAMES = ["Otter", "Heron", "Lynx", "Wren", "Marten", "Ibis", "Newt", "Finch", "Badger", "Swift", "Hare", "Owl"];
export const COLOURS = ["#1c1c28", "#e03231", "#f08c00", "#2b8a3e", "#1971c2", "#7048e8", "#c2255c", "#868e96"];

const SESSION_KEY = "inkwire.client";
const PERSON_KEY = "inkwire.person";

/** Storage that a browser may forbid. */
const read = (storage, key) => {
  try {
    return JSON.parse(globalThis[storage].getItem(key));
  } catch {
    return null;
  }
};

const write = (storage, key, value) => {
  try {
    globalThis[storage].setItem(key, JSON.stringify(value));
  } catch {
    // The name is asked again and the tab is somebody new after a reload: no ink depends on it.
  }
};

/**
 * The clients whose part this tab takes on a board, each with what it has left to send: the first is who draws here. A
 * reloaded tab goes on as who it was, and a new one as somebody whose tab is gone and has left something behind. A
 * duplicated tab must not be the same client: so its id lies in the storage only while the tab is away.
 */
export async function takeClients(board, outbox) {
  const kept = read("sessionStorage", SESSION_KEY);
  try {
    sessionStorage.removeItem(SESSION_KEY);
  } catch {
    // As above.
  }
  const own = kept?.board === board ? kept : undefined;
  const left = (await outbox.clients(board)).filter((clientId) => clientId !== own?.clientId);
  const taken = [];
  for (const clientId of own ? [own.clientId, ...left] : left) {
    if (!(await claimed(clientId))) continue;
    const operations = await outbox.operations(board, clientId);
    const nextCseq = Math.max(clientId === own?.clientId ? own.nextCseq : 1, (operations.at(-1)?.cseq ?? 0) + 1);
    if (operations.length > 0 || clientId === own?.clientId) taken.push({ clientId, nextCseq, operations });
  }
  return taken.length > 0 ? taken : [await newClient()];
}

async function newClient() {
  const clientId = toHex(crypto.getRandomValues(new Uint8Array(16)));
  await claimed(clientId);
  return { clientId, nextCseq: 1, operations: [] };
}

/** Keeps the client for when the tab comes back. */
export function keepClient(board, { clientId }, nextCseq) {
  write("sessionStorage", SESSION_KEY, { board, clientId, nextCseq });
}

const any = (list) => list[Math.floor(Math.random() * list.length)];

/** The person's name and colour, as kept in this browser. */
export function person() {
  const kept = read("localStorage", PERSON_KEY);
  if (kept) return { name: String(kept.name), colour: String(kept.colour) };
  const fresh = { name: any(NAMES), colour: any(COLOURS.slice(1, -1)) };
  keepPerson(fresh);
  return fresh;
}

export function keepPerson({ name, colour }) {
  write("localStorage", PERSON_KEY, { name, colour });
}

/** A name that fits the protocol: as many of its characters as go into `limit` bytes. */
export function shortened(name, limit) {
  const bytes = (text) => new TextEncoder().encode(text).length;
  let letters = Array.from(name);
  while (bytes(letters.join("")) > limit) letters = letters.slice(0, -1);
  return letters.join("");
}
