// Keeps on this device what the server has not said is on its disk: a tab that is closed, reloaded or crashes loses no ink. And
// how boards were last seen, for when there is no server.
//
// Safety: an operation is kept before it is sent, and let go only when it is durable or was rejected. What is kept under a
// client id is sent by one tab only, the one that has claimed it.

const DATABASE = "inkwire";
const STORE = "operations";
const IMAGES = "images";
const BOARDS = "boards";
const HELD = "held";
/** Of so many boards it is kept how they were last seen. */
const MOST_BOARDS = 12;

/** Operations by board, client and client sequence number. Where the browser forbids it, nothing is kept. */
export class Outbox {
  constructor() {
    /** Changes that came before the database was open. @type {any[] | undefined} */
    this.early = [];
    this.ready = this.#open();
  }

  async #open() {
    try {
      this.database = await opened();
    } catch (error) {
      console.info("nothing can be kept on this device:", error);
    }
    const { early = [] } = this;
    this.early = undefined;
    for (const [changes, name] of early) this.write(changes, name);
  }

  /** Whether what is drawn survives the tab, as far as is known. */
  get keeps() {
    return this.early !== undefined || this.database !== undefined;
  }

  /** The clients of a board that have left operations behind. @returns {Promise<string[]>} */
  async clients(board) {
    await this.ready;
    if (!this.keeps) return [];
    const keys = await asked(this.#store("readonly").getAllKeys(all(board))).catch(() => []);
    return Array.from(new Set(keys.map(([, clientId]) => clientId)));
  }

  /** What a client has left behind, in order, and the lineage in which it drew that. */
  async operations(board, clientId) {
    await this.ready;
    const kept = this.keeps ? await asked(this.#store("readonly").getAll(all(board, clientId))).catch(() => []) : [];
    return { epoch: kept.at(-1)?.epoch, operations: kept.map(({ cseq, operation }) => ({ cseq, operation })) };
  }

  /** Own pictures that the server may not have: `{ hash, blob }`. */
  async images() {
    await this.ready;
    if (!this.keeps) return [];
    return asked(this.#store("readonly", IMAGES).getAll()).catch(() => []);
  }

  keepImage(hash, blob) {
    this.write([(store) => store.put({ hash, blob })], IMAGES);
  }

  letImageGo(hash) {
    this.write([(store) => store.delete(hash)], IMAGES);
  }

  /** How a board was last seen; `undefined` where that is not kept. */
  async board(name) {
    await this.ready;
    return this.keeps ? asked(this.#store("readonly", BOARDS).get(name)).catch(() => undefined) : undefined;
  }

  /** Keeps how a board was last seen, in the place of the one that was not seen for longest. @param {{ board: string } & Record<string, any>} seen with all that `Session.recall` takes */
  keepBoard(seen) {
    const add = (store) => {
      store.put({ ...seen, at: Date.now() });
      const oldestFirst = store.index("at").getAllKeys();
      oldestFirst.onsuccess = () => oldestFirst.result.slice(0, -MOST_BOARDS).forEach((name) => store.delete(name));
    };
    this.write([add], BOARDS);
  }

  forgetBoard(name) {
    this.write([(store) => store.delete(name)], BOARDS);
  }

  /** Copies of what was drawn on a board and is not on it, as {@link Box.hold} was given them. @returns {Promise<import("../session/session.js").Held[]>} */
  async held(board) {
    await this.ready;
    if (!this.keeps) return [];
    const kept = await asked(this.#store("readonly", HELD).getAll(all(board))).catch(() => []);
    return kept.map(({ clientId, cseq, copy }) => ({ clientId, cseq, copy }));
  }

  /** The part of one client on one board. */
  box(board, clientId) {
    return new Box(this, board, clientId);
  }

  /** Makes changes in one transaction. @param {((store: IDBObjectStore) => void)[]} changes */
  write(changes, name = STORE) {
    if (this.early) this.early.push([changes, name]);
    if (!this.database) return;
    try {
      const store = this.#store("readwrite", name);
      for (const change of changes) change(store);
      // A page that is reloaded now would abort a transaction that is still open. Boards look at what is kept before they end.
      if (name !== BOARDS) store.transaction.commit();
    } catch (error) {
      console.info("nothing more can be kept on this device:", error);
      this.database = undefined;
    }
  }

  #store(mode, name = STORE) {
    const transaction = this.database.transaction(name, mode);
    // A full device is no error of the page: what is drawn is still sent, and who leaves before that is warned.
    transaction.onabort = (event) => {
      event.stopPropagation();
      // A board that has no room here is with the server; what is drawn may be nowhere else.
      if (name !== BOARDS) this.database = undefined;
    };
    return transaction.objectStore(name);
  }
}

/** What one client keeps. What changes in one turn is written at once. */
class Box {
  constructor(outbox, board, clientId) {
    this.outbox = outbox;
    this.board = board;
    this.clientId = clientId;
    this.changes = [];
  }

  keep(cseq, operation, epoch) {
    const { board, clientId } = this;
    this.#change((store) => store.put({ board, clientId, cseq, operation, epoch }));
  }

  /** Lets go of the operations from one client sequence number to another. */
  letGo(first, last) {
    this.#change((store) => store.delete(all(this.board, this.clientId, first, last)));
  }

  /** Keeps a copy of an element that is not on the board, until it is put back. */
  hold(held) {
    this.outbox.write([(store) => store.put({ board: this.board, ...held })], HELD);
  }

  /** It was put back, or is not wanted: also one that another client had drawn. */
  letHeldGo({ clientId, cseq }) {
    this.outbox.write([(store) => store.delete([this.board, clientId, cseq])], HELD);
  }

  /** Keeps these operations and no others. */
  replace(operations, epoch) {
    this.#change((store) => store.delete(all(this.board, this.clientId)));
    for (const { cseq, operation } of operations) this.keep(cseq, operation, epoch);
  }

  /** Writes at once: the page goes away. */
  flush() {
    const { changes } = this;
    this.changes = [];
    if (changes.length > 0) this.outbox.write(changes);
  }

  #change(change) {
    if (this.changes.push(change) === 1) queueMicrotask(() => this.flush());
  }
}

/** Claims a client id for this tab, as long as it lives; `false` where another tab has it. */
export async function claimed(clientId) {
  // Only pages from https or localhost have locks; the others ask around.
  return navigator.locks ? lock(`inkwire.client.${clientId}`) : isFree(clientId);
}

function lock(name) {
  return new Promise((decided) => {
    const held = (lock) => {
      decided(lock !== null);
      return lock && new Promise(() => {});
    };
    navigator.locks.request(name, { ifAvailable: true }, held).catch(() => decided(false));
  });
}

/** How long another tab may take to say that it is there, in milliseconds. */
const ANSWER_MS = 200;

function isFree(clientId) {
  const channel = new BroadcastChannel("inkwire.clients");
  return new Promise((decided) => {
    const claim = () => {
      channel.onmessage = ({ data }) => data === `who is ${clientId}?` && channel.postMessage(`I am ${clientId}`);
      decided(true);
    };
    const timer = setTimeout(claim, ANSWER_MS);
    channel.onmessage = ({ data }) => {
      if (data !== `I am ${clientId}`) return;
      clearTimeout(timer);
      channel.close();
      decided(false);
    };
    channel.postMessage(`who is ${clientId}?`);
  });
}

/** Everything of a board, or of a client on it, or some of its operations. */
const all = (board, clientId, first, last) =>
  IDBKeyRange.bound(
    [board, ...(clientId === undefined ? [] : [clientId]), ...(first === undefined ? [] : [first])],
    [board, clientId ?? [], ...(clientId === undefined ? [] : [last ?? []])],
  );

/** What a request comes to. */
const asked = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Adds what a database of an earlier version lacks. @param {IDBDatabase} database @param {number} from its version */
export function upgrade(database, from) {
  if (from < 1) database.createObjectStore(STORE, { keyPath: ["board", "clientId", "cseq"] });
  if (from < 2) database.createObjectStore(IMAGES, { keyPath: "hash" });
  if (from < 3) database.createObjectStore(BOARDS, { keyPath: "board" }).createIndex("at", "at");
  if (from < 4) database.createObjectStore(HELD, { keyPath: ["board", "clientId", "cseq"] });
}

function opened() {
  const request = indexedDB.open(DATABASE, 4);
  request.onupgradeneeded = ({ oldVersion }) => upgrade(request.result, oldVersion);
  // A tab of a later version waits for this one to let go.
  return asked(request).then((database) => Object.assign(database, { onversionchange: () => database.close() }));
}
