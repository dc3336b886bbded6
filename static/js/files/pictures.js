// The pixels of pictures: fetched once they are seen, made ready when they are pasted or dropped, and sent to the server.
//
// Safety: the bytes of an own picture are kept on this device until the server has said that it keeps them.

import { contextAside } from "../canvas/context.js";
import { bytesOfBase64 } from "../protocol/bytes.js";
import { IMAGE_BYTES, IMAGE_PART } from "../protocol/limits.js";
import { foreignSize, imageSize } from "./imagesize.js";
import { sha256 } from "./sha256.js";
import { drawnBy } from "./svgsize.js";

/** The largest file that is taken at all, in bytes, and the most pixels that are unpacked of it. */
const LARGEST_FILE = 64 * 1024 * 1024;
const MOST_PIXELS = 64 * 1024 * 1024;
/** The longest side of a picture on a board, in pixels. */
const LONGEST_SIDE = 2560;
const QUALITY = 0.9;
/** The longest SVG that is drawn, in bytes, and the most elements to which it may come. */
const LARGEST_SVG = 8 * 1024 * 1024;
const MOST_DRAWN = 200_000;
/** While so much waits to go out, no more of a picture is sent: ink has its turn first. */
const MOST_WAITING = 96 * 1024;
const NEXT_PART_MS = 15;
/** Unpacked pictures are kept up to so many bytes; beyond them those that were not painted for so many milliseconds are let go. */
const MOST_UNPACKED_BYTES = 256 * 1024 * 1024;
const UNPAINTED_MS = 60_000;
const RETRY_MS = [1_000, 3_000, 10_000, 30_000];

/** A file that is no picture for a board; `reason` is a key of the page's words. */
export class NotAPicture extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** What pictures ask and tell. */
export class PicturesDelegate {
  pictureArrived(hash) {}
  pictureRefused(reason) {}
  /** Sends a message, where there is a connection. @returns {boolean} */
  sendPart(message) {
    return false;
  }
  /** Bytes that wait to go out. */
  get waiting() {
    return 0;
  }
}

export class Pictures {
  /**
   * @param {import("../device/outbox.js").Outbox} outbox
   * @param {PicturesDelegate} delegate
   */
  constructor(outbox, delegate) {
    this.outbox = outbox;
    this.delegate = delegate;
    /** Unpacked pictures; `undefined` while one comes. @type {Map<string, ImageBitmap | undefined>} */
    this.pixels = new Map();
    /** When each was last asked for. @type {Map<string, number>} */
    this.askedAt = new Map();
    /** Bytes of own pictures. @type {Map<string, Blob>} */
    this.own = new Map();
    /** Hashes of those that the server does not have for certain. */
    this.unsent = new Set();
    this.sending = undefined;
  }

  async start() {
    for (const { hash, blob } of await this.outbox.images()) {
      this.own.set(hash, blob);
      this.unsent.add(hash);
    }
    this.#sendNext();
  }

  /** The pixels of a picture, once they are here. */
  pixelsOf(hash) {
    if (!this.pixels.has(hash)) {
      this.pixels.set(hash, undefined);
      this.#load(hash, 0);
    }
    this.askedAt.set(hash, performance.now());
    return this.pixels.get(hash);
  }

  /** Keeps an unpacked picture, and lets go what was not painted for long where there are too many. */
  #unpacked(hash, bitmap) {
    this.pixels.set(hash, bitmap);
    this.askedAt.set(hash, performance.now());
    const sizeOf = (it) => {
      const { width = 0, height = 0 } = this.pixels.get(it) ?? {};
      return width * height * 4;
    };
    const askedAt = (it) => this.askedAt.get(it) ?? 0;
    const all = Array.from(this.pixels.keys()).filter((it) => this.pixels.get(it));
    let bytes = all.reduce((sum, it) => sum + sizeOf(it), 0);
    for (const old of all.sort((one, other) => askedAt(one) - askedAt(other))) {
      if (bytes <= MOST_UNPACKED_BYTES || performance.now() - askedAt(old) < UNPAINTED_MS) return;
      bytes -= sizeOf(old);
      this.pixels.get(old)?.close();
      this.pixels.delete(old);
    }
  }

  /** The pixels of a picture are there when this is done. Throws where they cannot be had. @param {string} hash */
  async load(hash) {
    // A caller that asks for it is going to paint it.
    if (this.pixels.get(hash)) return void this.pixelsOf(hash);
    this.#unpacked(hash, await createImageBitmap(await this.bytesOf(hash)));
    this.delegate.pictureArrived(hash);
  }

  async #load(hash, tries) {
    try {
      await this.load(hash);
    } catch {
      // Whoever pasted it may still be sending it, or be offline.
      const wait = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)];
      setTimeout(() => this.#load(hash, tries + 1), wait);
    }
  }

  /** The bytes of a picture. @returns {Promise<Blob>} */
  async bytesOf(hash) {
    const own = this.own.get(hash);
    if (own) return own;
    const answer = await fetch(`../images/${hash}`);
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    return answer.blob();
  }

  /**
   * Makes a picture for the board of a file: small enough, and without what cameras write beside the pixels. Throws
   * {@link NotAPicture}.
   *
   * @param {Blob} file
   * @returns {Promise<{ hash: string, width: number, height: number }>} its size in pixels
   */
  async add(file) {
    const bitmap = await unpacked(file);
    const { blob, width, height } = await packed(bitmap, file.type);
    const hash = sha256(new Uint8Array(await blob.arrayBuffer()));
    this.#keep(hash, blob);
    this.#unpacked(hash, await createImageBitmap(blob));
    return { hash, width, height };
  }

  /** Takes the bytes of a picture as they are, from a file that names them; says whether they are those of that name. */
  take(hash, dataUrl) {
    const bytes = bytesOfUrl(dataUrl);
    const size = bytes && imageSize(bytes);
    if (!size || bytes.length > IMAGE_BYTES || size.width * size.height > MOST_PIXELS || sha256(bytes) !== hash) return false;
    this.#keep(hash, new Blob([bytes], { type: size.type }));
    return true;
  }

  /** Keeps the bytes of an own picture until the server has them, and sends them. */
  #keep(hash, blob) {
    this.own.set(hash, blob);
    this.unsent.add(hash);
    this.outbox.keepImage(hash, blob);
    this.#sendNext();
  }

  /** A connection has begun; `isNew` where the server may have lost what it had. */
  joined(isNew) {
    if (isNew) for (const hash of this.own.keys()) this.unsent.add(hash);
    this.sending = undefined;
    this.#sendNext();
  }

  async #sendNext() {
    if (this.sending) return;
    const [hash] = this.unsent;
    if (hash === undefined) return;
    const sending = { hash };
    this.sending = sending;
    const bytes = new Uint8Array(await /** @type {Blob} */ (this.own.get(hash)).arrayBuffer());
    for (let offset = 0; offset < bytes.length && this.sending === sending; ) {
      if (this.delegate.waiting > MOST_WAITING) {
        await new Promise((done) => setTimeout(done, NEXT_PART_MS));
        continue;
      }
      const part = bytes.subarray(offset, offset + IMAGE_PART);
      const isSent = this.delegate.sendPart({ type: "imagePart", image: hash, length: bytes.length, offset, bytes: part });
      if (!isSent) {
        // The next connection begins again.
        if (this.sending === sending) this.sending = undefined;
        return;
      }
      offset += part.length;
    }
  }

  /** The server says what became of a picture. */
  answered({ image, state }) {
    if (this.sending?.hash === image) this.sending = undefined;
    if (state === "busy" || state === "damaged") {
      setTimeout(() => this.#sendNext(), RETRY_MS[0]);
      return;
    }
    this.unsent.delete(image);
    this.outbox.letImageGo(image);
    if (state !== "kept") this.delegate.pictureRefused(state);
    this.#sendNext();
  }
}

/** The bytes in a data URL (RFC 2397) in Base64. */
function bytesOfUrl(url) {
  try {
    return bytesOfBase64(url.slice(url.indexOf(",") + 1));
  } catch {
    return undefined;
  }
}

/** The pixels of a file. An SVG is drawn by the browser as an image: no script in it runs, and nothing is fetched for it. */
async function unpacked(file) {
  if (file.size > LARGEST_FILE) throw new NotAPicture("pictureTooLarge");
  if (file.type === "image/svg+xml") return drawn(file);
  const head = new Uint8Array(await file.slice(0, 256 * 1024).arrayBuffer());
  // What cameras write in front of the pixels may be long.
  const further = async () => (isJpeg(head) ? imageSize(new Uint8Array(await file.arrayBuffer())) : foreignSize(head));
  const size = imageSize(head) ?? (await further());
  if (!size) throw new NotAPicture("notAPicture");
  if (size.width * size.height > MOST_PIXELS) throw new NotAPicture("pictureTooLarge");
  return createImageBitmap(file).catch(() => {
    throw new NotAPicture("notAPicture");
  });
}

const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

async function drawn(file) {
  if (file.size > LARGEST_SVG || drawnBy(await file.text()) > MOST_DRAWN) throw new NotAPicture("pictureTooLarge");
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    throw new NotAPicture("notAPicture");
  } finally {
    URL.revokeObjectURL(image.src);
  }
  // One that does not say how large it is has no size of its own.
  const [width, height] = [image.naturalWidth || 640, image.naturalHeight || 480];
  const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, width * scale), Math.max(1, height * scale));
  contextAside(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** The bytes of pixels, halved until they are few enough. */
async function packed(pixels, type) {
  let scale = Math.min(1, LONGEST_SIDE / Math.max(pixels.width, pixels.height));
  for (;;) {
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(pixels.width * scale)), Math.max(1, Math.round(pixels.height * scale)));
    const context = contextAside(canvas);
    context.imageSmoothingQuality = "high";
    context.drawImage(pixels, 0, 0, canvas.width, canvas.height);
    for (const kind of type === "image/jpeg" ? ["image/jpeg"] : ["image/png", "image/webp"]) {
      const blob = await canvas.convertToBlob({ type: kind, quality: QUALITY });
      if (blob.size <= IMAGE_BYTES) return { blob, width: canvas.width, height: canvas.height };
    }
    scale /= 2;
  }
}
