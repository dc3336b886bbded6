// Sockets to boards. One is begun before anybody listens, and keeps what has come of it until somebody does.

import { encodeClient } from "../protocol/codec.js";
import { SUBPROTOCOL } from "../protocol/limits.js";

/** Nobody is on a board for longer who does not hear what happens there. */
const UNHEARD_MS = 30_000;

/** The address of a board's members, below whatever path the page lives at. */
export function socketUrl(board) {
  const url = new URL(`../ws/${board}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  return url.href;
}

/** @type {Dialled | undefined} */
let early;

/** A connection that is asked for, and perhaps open. */
class Dialled {
  constructor(url) {
    this.url = url;
    this.socket = new WebSocket(url, SUBPROTOCOL);
    this.socket.binaryType = "arraybuffer";
    /** Whether it has been said who comes. */
    this.isGreeted = false;
    this.came = [];
    this.socket.onmessage = ({ data }) => this.came.push(data);
  }

  /** Says who comes as soon as there is somebody to hear it. @param {object[]} messages */
  greet(messages) {
    this.#whenOpen(() => {
      this.isGreeted = true;
      this.socket.send(encodeClient(messages));
    });
  }

  /** Does something when it is open, instead of what was to be done then. */
  #whenOpen(act) {
    if (this.socket.readyState === WebSocket.CONNECTING) this.socket.onopen = act;
    else if (this.socket.readyState === WebSocket.OPEN) act();
  }

  /**
   * From now on somebody listens: to what has come, a packet at a time as if it came now, and then to what comes.
   *
   * @param {{ opened: () => void, received: (data: ArrayBuffer) => void, closed: () => void }} listener `opened` where nobody
   * has said who comes
   */
  heardBy({ opened, received, closed }) {
    const { socket, came } = this;
    const hear = () => {
      if (came.length > 0) {
        received(came.shift());
        return soon(hear);
      }
      socket.onmessage = ({ data }) => received(data);
      socket.onclose = closed;
      if (socket.readyState === WebSocket.CLOSED) closed();
    };
    soon(hear);
    if (!this.isGreeted) this.#whenOpen(opened);
  }
}

/** Does something in a task of its own: without the wait of a timer, and behind what else the page has to do. */
function soon(act) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    act();
  };
  port2.postMessage(undefined);
}

/**
 * Begins to connect before anybody listens; {@link dial} gives it to whoever asks for its address first. Where nobody does, because
 * the page did not come, it is given up.
 */
export function dialEarly(url) {
  const dialled = new Dialled(url);
  early = dialled;
  setTimeout(() => early === dialled && dial(url).socket.close(), UNHEARD_MS);
  return dialled;
}

/** A connection to an address, which may be open by now, or lost. */
export function dial(url) {
  const dialled = early && early.url === url ? early : new Dialled(url);
  if (dialled === early) early = undefined;
  return dialled;
}
