// The pen: opaque ink, with the pressure of the device where it has one.

import { StrokeGesture } from "./stroke.js";

export const pen = {
  name: "pen",
  label: "Pen",
  key: "p",
  start: (context, sample) => {
    const { colour, width } = context.style;
    return new StrokeGesture(context, sample, { tool: "pen", colour: `${colour}ff`, width });
  },
};
