// A network between a browser and a server: each direction of it has a delay and a rate. Bounded by the connections that it is given.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Bytes that are sent before another connection has its turn: those of one packet. */
const PACKET = 1460;

/** One direction of a network: packets of its connections in turn, each later by the time that it takes, and by half a round trip. */
class Direction {
  constructor({ roundTrip, rate }) {
    this.delay = roundTrip / 2;
    this.msPerByte = 8_000 / rate;
    /** Packets that wait, by connection. */
    this.waiting = new Map();
    this.freeAt = 0;
    this.timer = undefined;
    /** What arrives, and when, in the order in which it was sent: timers of their own might change that. */
    this.underWay = [];
  }

  /** Sends bytes of a connection, not before a moment; without bytes it ends. */
  send(socket, bytes, moment = 0) {
    const notBefore = Math.max(moment, performance.now());
    const queue = this.waiting.get(socket) ?? [];
    this.waiting.set(socket, queue);
    for (let at = 0; at < bytes.length; at += PACKET) queue.push({ packet: bytes.subarray(at, at + PACKET), notBefore });
    if (bytes.length === 0) queue.push({ packet: bytes, notBefore });
    this.#schedule();
  }

  #schedule() {
    clearTimeout(this.timer);
    if (this.waiting.size === 0) return;
    const heads = Array.from(this.waiting.values(), ([{ notBefore }]) => notBefore);
    const [now, at] = [performance.now(), Math.max(this.freeAt, Math.min(...heads))];
    if (at > now) this.timer = setTimeout(() => this.#schedule(), at - now);
    else this.#sendOne(at);
  }

  /** The one whose turn it is goes behind all others. */
  #sendOne(at) {
    const [socket, queue] = Array.from(this.waiting).find(([, [{ notBefore }]]) => notBefore <= at);
    const { packet } = queue.shift();
    this.waiting.delete(socket);
    if (queue.length > 0) this.waiting.set(socket, queue);
    this.freeAt = at + packet.length * this.msPerByte;
    this.underWay.push({ socket, packet, arrives: this.freeAt + this.delay });
    if (this.underWay.length === 1) this.#deliver();
    this.#schedule();
  }

  #deliver() {
    while (this.underWay[0]?.arrives <= performance.now()) {
      const { socket, packet } = this.underWay.shift();
      if (packet.length > 0) socket.write(packet);
      else socket.end();
    }
    if (this.underWay.length > 0) setTimeout(() => this.#deliver(), this.underWay[0].arrives - performance.now());
  }
}

/** Lends the URL at which a server is found behind such a network, for as long as `act` takes. */
export async function behind(url, network, act) {
  const { hostname, port } = new URL(url);
  const [up, down] = [new Direction(network), new Direction(network)];
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect({ host: hostname, port: Number(port) });
    // Who connects hears of it after a round trip, and says nothing before; the system in between says at once that it is done.
    const open = performance.now() + network.roundTrip;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    near.on("data", (bytes) => up.send(far, bytes, open));
    near.on("end", () => up.send(far, Buffer.alloc(0), open));
    far.on("data", (bytes) => down.send(near, bytes));
    far.on("end", () => down.send(near, Buffer.alloc(0)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await act(url.replace(/:\d+/, `:${server.address().port}`));
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
