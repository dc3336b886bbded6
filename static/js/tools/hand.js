// The hand: moves the board under the screen.

export const hand = {
  name: "hand",
  key: "h",
  cursor: "grab",
  needsPen: false,
  start: (context, sample) => {
    let at = sample;
    return {
      move(samples) {
        const to = samples.at(-1);
        context.setViewport(context.viewport.panned(to.x - at.x, to.y - at.y));
        at = to;
      },
      end() {},
      cancel() {},
    };
  },
};
