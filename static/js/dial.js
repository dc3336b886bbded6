// Begins to connect as soon as the page is there, while the rest of it is still being fetched. Its script stands by itself in the
// page, so that it waits for no other.

import { SUBPROTOCOL } from "./protocol/limits.js";

/** The address of a board's members, below whatever path the page lives at. */
export function socketUrl(board) {
  const url = new URL(`../ws/${board}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  return url.href;
}

const url = socketUrl(location.pathname.split("/").pop());
/** @type {WebSocket | undefined} */
let early = dialled(url);

function dialled(address) {
  const socket = new WebSocket(address, SUBPROTOCOL);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** A socket to an address: once the one that was begun early, which may be open by now, or lost. @param {string} address */
export function dial(address) {
  if (!early || address !== url) return dialled(address);
  const socket = early;
  early = undefined;
  return socket;
}
