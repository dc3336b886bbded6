// The name of the protocol, and its bounds; the page's copy of server/protocol/src/limits.rs.

export const SUBPROTOCOL = "inkwire.v1";

export const CLIENT_PACKET = 64 * 1024;
export const CLIENT_MESSAGES = 8;
export const CSEQ = 2 ** 52 - 1;
export const OPERATIONS = 1024;
export const POINTS = 1024;
export const STROKE_POINTS = 20_000;
export const DELETIONS = 1024;
export const LIVE_SLOTS = 8;
export const COORDINATE = 2 ** 30 - 1;
export const WIDTH = 16_383;
export const SCALE_MIN = -8;
export const SCALE_MAX = 16;
export const MATRIX = 2 ** 26;
export const MATRIX_ONE = 65_536;
export const RANK = 2 ** 52 - 1;
export const RANKS_BETWEEN = 2 ** 14;
export const IMAGE_BYTES = 4 * 1024 * 1024;
export const IMAGE_SIDE = 8192;
export const IMAGE_PART = 32 * 1024;
export const TEXT = 4096;
export const AUTHORS = 500;
export const NAME = 128;
export const PASSWORD = 128;
export const SECONDS = 10 * 366 * 24 * 3600;
export const REASON_TEXT = 200;
export const PRESSURE = 255;
export const AUTHOR = 2 ** 31 - 1;
export const BOARD_ELEMENTS = 500_000;
export const UNDO_DEPTH = 200;
