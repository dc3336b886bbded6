// What this browser keeps of the person's choices. Where it forbids that, nothing is kept, and no ink depends on it.

/** What was kept under a key; `undefined` where that is nothing, or was not ours. @param {"localStorage" | "sessionStorage"} storage */
export function kept(storage, key) {
  try {
    return JSON.parse(globalThis[storage].getItem(key) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a value; says whether that could be. */
export function keep(storage, key, value) {
  try {
    if (value === undefined) globalThis[storage].removeItem(key);
    else globalThis[storage].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
