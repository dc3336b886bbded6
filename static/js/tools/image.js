// The image tool: a tap says where, and then which file.

export const image = {
  name: "image",
  key: "i",
  isOneShot: true,
  start: (context, sample) => ({
    move() {},
    end: () => context.pickImage(context.viewport.toBoard([sample.x, sample.y])),
    cancel() {},
  }),
};
