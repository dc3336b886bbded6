// Has the page kept for when there is no network, as far as this browser lets it.

/** How long after the page is online its files are fetched for later, in milliseconds: drawing has its turn first. */
const LATER = 3_000;
const FILES = 'link[rel="modulepreload"], link[rel="stylesheet"], link[rel="icon"], link[rel="manifest"], script[src]';

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
      const script = new URL(`${root}static/offline.js`, location.href);
      await serviceWorker.register(script, { scope: new URL(root, location.href).pathname });
      const { active } = await serviceWorker.ready;
      serviceWorker.addEventListener("message", () => (document.documentElement.dataset.kept = "offline"));
      const linked = Array.from(document.querySelectorAll(FILES), (link) => link.href || link.src);
      // What a module has fetched by itself: the words of another language, the board's pictures.
      const isOwn = ({ name }) => name.includes("/static/js/") || name.includes("/images/");
      const fetched = performance.getEntriesByType("resource").filter(isOwn);
      const files = [...new Set([...linked, ...fetched.map(({ name }) => name)])];
      active.postMessage([location.href.replace(/[?#].*/, ""), new URL(root, location.href).href, ...files]);
    } catch (error) {
      console.info("the page is not kept for when there is no network:", error);
    }
  };
  setTimeout(register, LATER);
}
