// The highlighter: a broad line that lets through what is under it. It has no pressure, so it is as broad everywhere.

import { BROADER, withOpacity } from "./look.js";
import { StrokeGesture } from "./stroke.js";

const OPACITY = 0.35;

export const highlighter = {
  name: "highlighter",
  key: "m",
  start: (context, sample) => {
    const { colour, width, opacity } = context.style;
    const look = { tool: "highlighter", colour: withOpacity(colour, opacity * OPACITY), width: width * BROADER };
    const gesture = new StrokeGesture(context, without(sample), look);
    return {
      move: (samples) => gesture.move(samples.map(without)),
      end: () => gesture.end(),
      cancel: () => gesture.cancel(),
      get isMeant() {
        return gesture.isMeant;
      },
    };
  },
};

const without = (sample) => ({ ...sample, pressure: undefined });
