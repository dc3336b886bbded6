// Has the page kept for when there is no network, as far as this browser lets it.

/** How long after the page is online its files are fetched for later, in milliseconds: drawing has its turn first. */
const LATER = 3_000;

/**
 * @param {string} root the path below which the page lives, from here
 * @param {() => boolean} isOnline whether there is somebody to ask
 */
export function keepForOffline(root, isOnline) {
  // Only pages from https or localhost may.
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const register = async () => {
    if (!isOnline()) return;
    try {
      const isUpgrade = Boolean(serviceWorker.controller);
      const script = new URL(`${root}static/offline.js`, location.href);
      await serviceWorker.register(script, { scope: new URL(root, location.href).pathname });
      const { active } = await serviceWorker.ready;
      serviceWorker.addEventListener("message", () => (document.documentElement.dataset.kept = "offline"));
      // Files that no page names: the words of another language, the board's pictures.
      const isOwn = ({ name }) => name.includes("/static/") || name.includes("/images/");
      const tell = (worker) => {
        const fetched = performance.getEntriesByType("resource").filter(isOwn);
        worker?.postMessage({ keep: [...new Set(fetched.map(({ name }) => name))] });
      };
      tell(active);
      // A worker of a later version drops what the one before it kept.
      if (isUpgrade) serviceWorker.addEventListener("controllerchange", () => tell(serviceWorker.controller));
    } catch (error) {
      console.info("the page is not kept for when there is no network:", error);
    }
  };
  setTimeout(register, LATER);
}

/** Drops the pictures of a board that were kept. @param {string} boardName */
export function forgetPictures(boardName) {
  navigator.serviceWorker?.controller?.postMessage({ forget: boardName });
}
