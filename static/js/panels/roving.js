// Makes a bar of buttons one stop of the Tab key: arrow keys go from button to button (ARIA Authoring Practices, pattern "toolbar").

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** @param {HTMLElement} bar */
export function rove(bar) {
  const all = () => Array.from(bar.querySelectorAll("button"));
  const usable = () => all().filter((it) => !it.disabled && it.getClientRects().length > 0);
  const stopAt = (one) => all().forEach((it) => (it.tabIndex = it === one ? 0 : -1));
  // The button at which Tab stops may be hidden or disabled: then there is another one.
  const keepStop = () => {
    const some = usable();
    // A bar that is hidden keeps its stop.
    if (some.length > 0 && !some.some(({ tabIndex }) => tabIndex === 0)) stopAt(some[0]);
  };
  new MutationObserver(keepStop).observe(bar, { childList: true, subtree: true, attributeFilter: ["disabled", "hidden"] });
  new ResizeObserver(keepStop).observe(bar);
  // A strip that scrolls may have the focus too, and is no stop of its own.
  bar.addEventListener("focusin", ({ target }) => target instanceof HTMLButtonElement && stopAt(target));
  // After a click the keys are the board's.
  bar.addEventListener("click", ({ target, detail }) => detail > 0 && target instanceof Element && target.closest("button")?.blur());
  bar.addEventListener("keydown", (event) => {
    if (!(event.target instanceof HTMLButtonElement) || !event.target.matches(":focus-visible")) return;
    const next = nextOf(event, usable());
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    next.focus();
  });
  stopAt(usable()[0]);
}

/** The button to which a key goes. @param {KeyboardEvent} event @param {HTMLButtonElement[]} buttons */
function nextOf({ key, target, ctrlKey, metaKey, altKey, shiftKey }, buttons) {
  if (ctrlKey || metaKey || altKey || shiftKey) return undefined;
  if (key === "Home") return buttons[0];
  if (key === "End") return buttons[buttons.length - 1];
  const isMirrored = document.documentElement.dir === "rtl" && (key === "ArrowLeft" || key === "ArrowRight");
  const step = isMirrored ? -STEPS[key] : STEPS[key];
  const at = buttons.findIndex((it) => it === target);
  return step && buttons[(at + step + buttons.length) % buttons.length];
}
