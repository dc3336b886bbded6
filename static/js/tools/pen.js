// The pen: ink, with the pressure of the device where it has one.

import { withOpacity } from "./look.js";
import { StrokeGesture } from "./stroke.js";

export const pen = {
  name: "pen",
  key: "p",
  start: (context, sample) => {
    const { colour, width, opacity, dash, simulates } = context.style;
    // A broken line has one width, or its gaps would be uneven.
    const isBroken = dash !== "solid";
    const plain = isBroken ? { ...sample, pressure: undefined } : sample;
    const look = { tool: "pen", colour: withOpacity(colour, opacity), width, dash, simulates: simulates && !isBroken };
    const stroke = new StrokeGesture(context, plain, look);
    if (!isBroken) return stroke;
    return {
      move: (samples) => stroke.move(samples.map((one) => ({ ...one, pressure: undefined }))),
      end: () => stroke.end(),
      cancel: () => stroke.cancel(),
      get isMeant() {
        return stroke.isMeant;
      },
    };
  },
};
