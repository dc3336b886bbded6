// The name of the protocol, and its limits (server/protocol/src/limits.rs). Written by `cargo xtask vectors`.

export const SUBPROTOCOL = "inkwire.v1";

export const CLIENT_PACKET = 65_536;
export const CLIENT_MESSAGES = 8;
export const CSEQ = 4_503_599_627_370_495;
export const OPERATIONS = 1_024;
export const POINTS = 1_024;
export const STROKE_POINTS = 20_000;
export const DELETIONS = 1_024;
export const LIVE_SLOTS = 8;
export const COORDINATE = 1_073_741_823;
export const WIDTH = 16_383;
export const SCALE_MIN = -8;
export const SCALE_MAX = 16;
export const MATRIX = 67_108_864;
export const MATRIX_ONE = 65_536;
export const RANK = 4_503_599_627_370_495;
export const RANKS_BETWEEN = 16_384;
export const IMAGE_BYTES = 4_194_304;
export const IMAGE_SIDE = 8_192;
export const IMAGE_PART = 32_768;
export const TEXT = 4_096;
export const AUTHORS = 500;
export const NAME = 128;
export const PASSWORD = 128;
export const SECONDS = 316_224_000;
export const REASON_TEXT = 200;
export const PRESSURE = 255;
export const AUTHOR = 2_147_483_647;
export const BOARD_ELEMENTS = 500_000;
export const UNDO_DEPTH = 200;
