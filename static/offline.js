// Serves the page where there is no network: what was fetched once is kept, and given where the server cannot be reached. With a
// network nothing is older than what the server has.

const CACHE = "inkwire 1";
const scope = new URL(self.registration.scope).pathname;

/** What an address is kept under: every board has the same page. `undefined` for what is not kept. */
function keyOf(url) {
  const { origin, pathname } = new URL(url);
  if (origin !== location.origin || !pathname.startsWith(scope)) return undefined;
  const path = pathname.slice(scope.length);
  if (path.startsWith("static/") || path.startsWith("images/")) return pathname;
  if (path === "") return scope;
  return path.startsWith("b/") ? `${scope}b/` : undefined;
}

/** Fetches what a page has that was there before this worker was. */
async function keepAll(urls) {
  const cache = await caches.open(CACHE);
  const keep = async (url) => {
    const key = keyOf(url);
    if (key === undefined || (await cache.match(key))) return;
    const answer = await fetch(url);
    if (answer.ok) await cache.put(key, answer);
  };
  await Promise.all(urls.map(keep));
}

async function answered(event, key) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  // What has the name of its bytes is never another one.
  const isForGood = key.startsWith(`${scope}images/`);
  const kept = isForGood ? await cache.match(key) : undefined;
  if (kept) return kept;
  try {
    const fresh = await fetch(request);
    // A device that is full has the page all the same, and does not wait for its own disk.
    if (fresh.ok) event.waitUntil(cache.put(key, fresh.clone()).catch(() => {}));
    return fresh;
  } catch (error) {
    const old = await cache.match(key);
    if (old) return old;
    throw error;
  }
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) if (name.startsWith("inkwire") && name !== CACHE) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(forget());
});
self.addEventListener("message", (event) => {
  event.waitUntil(keepAll(event.data).then(() => event.source.postMessage("kept")));
});
self.addEventListener("fetch", (event) => {
  const key = event.request.method === "GET" ? keyOf(event.request.url) : undefined;
  if (key !== undefined) event.respondWith(answered(event, key));
});
