// The laser: shows others a place for a moment, and leaves nothing.

export const laser = {
  name: "laser",
  key: "k",
  needsPen: false,
  start: (context, sample) => {
    const shine = ({ x, y }) => context.shine(context.viewport.toBoard([x, y]));
    shine(sample);
    return {
      move: (samples) => samples.forEach(shine),
      end() {},
      cancel() {},
    };
  },
};
