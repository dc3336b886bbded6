// The connection to the server: opens it, keeps it alive, opens it again when it is lost, and says how it stands.

import { decodeServer, encodeClient } from "../protocol/codec.js";
import { dial } from "./dial.js";

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 8_000;
const OPEN_PATIENCE_MS = 10_000;
const PING_AFTER_MS = 10_000;
const PONG_PATIENCE_MS = 5_000;
/** A connection that holds for so long was a good one: the next failure is the first again. */
const STEADY_MS = 5_000;

/** What the connection asks and tells. */
export class ConnectionDelegate {
  /** The messages to begin with. @returns {object[]} */
  firstMessages() {
    return [];
  }
  /** A packet has come; throwing ends the connection. @param {object[]} messages */
  receivedMessages(messages) {}
  /** A packet could not be read, or did not fit. @param {Error & { rule?: string }} error */
  packetFailed(error) {}
  /** How it stands: `connecting`, `online`, `waiting` or `stopped`. @param {string} state */
  stateChanged(state) {}
}

export class Connection {
  /**
   * @param {string} url
   * @param {ConnectionDelegate} delegate
   */
  constructor(url, delegate) {
    this.url = url;
    this.delegate = delegate;
    this.failures = 0;
    this.state = "waiting";
    this.retryMs = undefined;
    /** @type {number | undefined} */
    this.roundTripMs = undefined;
    this.measuredAt = 0;
    this.unreadUntil = 0;
    this.onlineSince = 0;
  }

  start() {
    // A device that comes back to the network, or a page that is looked at again, need not wait.
    addEventListener("online", () => this.#retryNow());
    // One that leaves it may not hear of that for long.
    addEventListener("offline", () => this.state === "online" && this.#ping());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
    this.#open();
  }

  /** Does not come back by itself. */
  stop() {
    this.#become("stopped");
    const { socket } = this;
    // What of it has come and was not heard yet is not heard any more.
    this.socket = undefined;
    socket?.close(1000);
    clearTimeout(this.timer);
  }

  /** Comes back after `retryMs`, because the server said so. */
  retryAfter(retryMs) {
    this.retryMs = retryMs;
  }

  /** Connects at once, also after {@link Connection.stop}. */
  restart() {
    this.failures = 0;
    this.#open();
  }

  /** Sends messages as one packet; says whether there is a connection. @param {object[]} messages */
  send(messages) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    if (messages.length > 0) this.socket.send(encodeClient(messages));
    return true;
  }

  /** Bytes that wait to go out. */
  get waiting() {
    return this.socket?.bufferedAmount ?? 0;
  }

  #retryNow() {
    if (this.state === "waiting") this.restart();
  }

  #open() {
    clearTimeout(this.timer);
    this.#become("connecting");
    const dialled = dial(this.url);
    const { socket } = dialled;
    this.socket = socket;
    dialled.heardBy({
      opened: () => this.#watch(socket, () => this.send(this.delegate.firstMessages())),
      received: (data) => this.#watch(socket, () => this.#received(data)),
      closed: () => socket === this.socket && this.#lost(),
    });
    this.#expect(OPEN_PATIENCE_MS, () => this.#abandon());
  }

  /** Does something for the current socket only; what it throws ends that socket. */
  #watch(socket, act) {
    if (socket !== this.socket) return;
    try {
      act();
    } catch (error) {
      console.warn("the connection is opened again:", error);
      this.delegate.packetFailed(/** @type {Error} */ (error));
      this.#abandon();
    }
  }

  #received(data) {
    this.#expect(PING_AFTER_MS, () => this.#ping());
    const messages = decodeServer(new Uint8Array(data));
    if (messages.some(({ type, nonce }) => type === "pong" && nonce > 0)) this.roundTripMs = performance.now() - this.measuredAt;
    this.delegate.receivedMessages(messages);
    if (this.state === "connecting") {
      this.onlineSince = performance.now();
      this.#become("online");
    }
  }

  /** Measures the round trip anew: {@link Connection.roundTripMs}, in milliseconds, when the answer has come. */
  measure() {
    if (this.state !== "online") return;
    this.measuredAt = performance.now();
    this.send([{ type: "ping", nonce: 1 }]);
  }

  #ping() {
    this.send([{ type: "ping", nonce: 0 }]);
    const unread = Math.max(0, this.unreadUntil - performance.now());
    this.#expect(unread + PONG_PATIENCE_MS, () => this.#abandon());
  }

  /** The server reads nothing from here for a while, pings neither. @param {number} ms */
  goesUnread(ms) {
    this.unreadUntil = Math.max(this.unreadUntil, performance.now() + ms);
  }

  #expect(ms, otherwise) {
    clearTimeout(this.timer);
    this.timer = setTimeout(otherwise, ms);
  }

  /** Lets go of a socket that may never close by itself. */
  #abandon() {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
    this.#lost();
  }

  #lost() {
    clearTimeout(this.timer);
    if (this.state === "stopped") return;
    if (this.state === "online" && performance.now() - this.onlineSince > STEADY_MS) this.failures = 0;
    this.#become("waiting");
    this.failures += 1;
    this.timer = setTimeout(() => this.#open(), this.retryMs ?? backoff(this.failures, Math.random()));
    this.retryMs = undefined;
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.delegate.stateChanged(state);
  }
}

/** Milliseconds before the next try: doubled each time, and spread so that not everybody comes back at once. */
export function backoff(failures, random) {
  const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
  return longest / 2 + (longest / 2) * random;
}
