// Keeps the page for when there is no network, as far as this browser lets it.

/** How long after the page is there its files are fetched for later, in milliseconds: drawing has its turn first. */
const LATER = 3_000;

/** @param {string} root the path below which the page lives, from here */
export function keepForOffline(root) {
  // Only pages from https or localhost may.
  if (!navigator.serviceWorker) return;
  const register = async () => {
    try {
      const script = new URL(`${root}static/offline.js`, location.href);
      await navigator.serviceWorker.register(script, { scope: new URL(root, location.href).pathname });
      await navigator.serviceWorker.ready;
      // What came before it was there is asked for once more, from this browser's own cache mostly.
      const links = document.querySelectorAll('link[rel="modulepreload"], link[rel="stylesheet"], link[rel="icon"], link[rel="manifest"], script[src]');
      const files = Array.from(links, (link) => link.href || link.src);
      const cache = await caches.open("inkwire 1");
      const missing = [];
      for (const file of files) if (!(await cache.match(new URL(file).pathname))) missing.push(file);
      await Promise.all([location.href.replace(/[?#].*/, ""), ...missing].map((file) => keepOne(cache, file, root)));
      document.documentElement.dataset.kept = "offline";
    } catch (error) {
      console.info("the page is not kept for when there is no network:", error);
    }
  };
  setTimeout(register, LATER);
}

async function keepOne(cache, file, root) {
  const answer = await fetch(file);
  const { pathname } = new URL(file);
  const boards = new URL(`${root}b/`, location.href).pathname;
  if (answer.ok) await cache.put(pathname.startsWith(boards) ? boards : pathname, answer);
}
