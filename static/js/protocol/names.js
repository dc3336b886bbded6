// The enumerations of the protocol, each value at its number on the wire. Written by `cargo xtask vectors`.

export const TOOLS = [
  "pen",
  "highlighter",
];

export const SHAPES = [
  "line",
  "arrow",
  "rectangle",
  "ellipse",
];

export const DASHES = [
  "solid",
  "dashed",
  "dotted",
];

export const ROLES = [
  "viewer",
  "editor",
  "host",
];

export const REACTIONS = [
  "thumbUp",
  "thumbDown",
  "heart",
  "clap",
  "laugh",
  "wow",
  "question",
];

export const REJECT_REASONS = [
  "unknownOperation",
  "slotBusy",
  "slotFree",
  "gestureClosed",
  "noSuchGesture",
  "noSuchElement",
  "noSuchProperty",
  "strokeFull",
  "pressureMismatch",
  "outOfRange",
  "controlCharacter",
  "boardFull",
  "readOnly",
  "boardLocked",
  "muted",
  "hostOnly",
];

export const REASONS = [
  "restart",
  "replaced",
  "malformed",
  "helloExpected",
  "timedOut",
  "deleted",
  "forbidden",
  "expired",
  "passwordNeeded",
  "tooManyTries",
  "removed",
  "banned",
  "full",
  "tooManyBoards",
];

export const IMAGE_STATES = [
  "kept",
  "damaged",
  "notAnImage",
  "full",
  "busy",
];

export const STORAGE_STATES = [
  "memory",
  "disk",
  "failing",
];
