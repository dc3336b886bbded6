// Text and notes: a tap says where; what was there already is changed.

const writing = (name, key, kind) => ({
  name,
  key,
  cursor: "text",
  isOneShot: true,
  start: (context, sample) => {
    let isMeant = true;
    return {
      move() {},
      end() {
        if (!isMeant) return;
        const [found] = context.elementsAt(sample.x, sample.y, 4).filter((it) => it.kind === kind && !it.properties.locked);
        if (found) context.rewrite(found);
        else context.write(context.snap(context.viewport.toBoard([sample.x, sample.y])), kind === "note");
      },
      cancel() {
        isMeant = false;
      },
    };
  },
});

export const text = writing("text", "t", "text");
export const note = writing("note", "n", "note");
