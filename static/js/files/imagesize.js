// How many pixels a picture has, from its first bytes alone: one that would fill the memory is refused before it is unpacked. Pure.
// A board takes PNG, JPEG, GIF and WebP; what else a browser may draw is packed as one of them.

/** The kind and size of a picture, `{ type, width, height }`; `undefined` where it is none of those that are known. */
export function imageSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  try {
    if (text(1, 4) === "PNG") return { type: "image/png", width: view.getUint32(16), height: view.getUint32(20) };
    if (text(0, 3) === "GIF") return { type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true) };
    if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return webpSize(view, text(12, 16));
    if (view.getUint16(0) === 0xffd8) return jpegSize(view);
  } catch {
    // It ends before its size is told.
  }
  return undefined;
}

/** The size of a BMP, AVIF or HEIF, `{ width, height }`; `undefined` if it is none. A board does not take these as they are. */
export function foreignSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 26) return undefined;
  if (view.getUint16(0) === 0x424d) return bmpSize(view);
  return view.getUint32(4) === FTYP ? heifSize(view) : undefined;
}

/** The header of a BMP, of 12 bytes or longer. In the longer one a height is negative if the upper line comes first. */
function bmpSize(view) {
  if (view.getUint32(14, true) === 12) return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
}

const FTYP = 0x66747970;
const ISPE = 0x69737065;

/** The largest size that a HEIF container, such as AVIF is, says of its parts (ISO/IEC 23008-12 section 6.5.3). */
function heifSize(view) {
  let largest;
  for (let at = 8; at + 16 <= view.byteLength; at++) {
    if (view.getUint32(at) !== ISPE) continue;
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (!largest || width * height > largest.width * largest.height) largest = { width, height };
  }
  return largest;
}

/** The WebP container (RFC 9649 section 2) in its three kinds. */
function webpSize(view, kind) {
  const type = "image/webp";
  const three = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  if (kind === "VP8X") return { type, width: three(24) + 1, height: three(27) + 1 };
  if (kind === "VP8 ") return { type, width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (kind !== "VP8L") return undefined;
  const bits = view.getUint32(21, true);
  return { type, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

/** The frame header of a JPEG (ITU T.81 section B.2.2), behind whatever stands before it. */
function jpegSize(view) {
  for (let at = 2; at < view.byteLength; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint16(at);
    const isFrame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    if (isFrame) return { type: "image/jpeg", height: view.getUint16(at + 5), width: view.getUint16(at + 7) };
    if (marker < 0xff00) return undefined;
  }
  return undefined;
}
