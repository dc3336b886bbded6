// Serves the page without a network: the files of one version of it together, never those of two, and pictures of boards. With a
// network no page is older than the server's.
//
// A page that is served from here has the version in the addresses of its files, so that its modules find each other by it.

const PAGES = "inkwire page ";
const PICTURES = "inkwire pictures";
const MOST_PICTURES = 256;
const MOST_PICTURE_BYTES = 64 * 1024 * 1024;
const DROP_MS = 1_000;
const scope = new URL(self.registration.scope).pathname;
/** The address under which the page of every board is kept, and from which its version is asked. */
const BOARD = `${scope}b/`;
const VERSIONED = /^static\/@(\w+)\//;

/** A path below the scope; `undefined` for an address elsewhere. */
function pathOf(url) {
  const { origin, pathname } = new URL(url);
  return origin === location.origin && pathname.startsWith(scope) ? pathname.slice(scope.length) : undefined;
}

/** The version of all files of a page, which its validator has behind its own hash (server/src/site/assets.rs). */
const versionOf = (answer) => /[0-9a-f]{24}-([0-9a-f]{24})/.exec(answer.headers.get("etag") ?? "")?.[1];
const servedVersion = async () => versionOf(await fetch(scope, { method: "HEAD", cache: "no-store" }));

/** A version is kept from when its board's page is, which is put there last. */
const isKept = async (version) => Boolean(version && (await caches.match(BOARD, { cacheName: PAGES + version })));

async function keptVersion() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PAGES));
  for (const name of names.reverse()) if (await isKept(name.slice(PAGES.length))) return name.slice(PAGES.length);
  return undefined;
}

/** How an answer is packed is not how its body is given here. */
function headersOf(answer) {
  const headers = new Headers(answer.headers);
  for (const name of ["content-encoding", "content-length"]) headers.delete(name);
  return headers;
}

/** The same answer without its address, from which a module would count the addresses of others. */
async function detached(answer) {
  const [headers, body] = [headersOf(answer), await answer.blob()];
  headers.set("content-length", String(body.size));
  return new Response(body, { status: answer.status, headers });
}

/** Has a page ask for the scripts and styles of its version. The manifest's own address counts, and stays. */
async function stamped(answer, version) {
  const own = (text) => text.replace(/\bstatic\/(?=[\w/]+\.(?:js|css)\b)/g, `static/@${version}/`);
  const headers = headersOf(answer);
  if (headers.has("link")) headers.set("link", own(headers.get("link")));
  return new Response(own(await answer.text()), { headers });
}

async function pageOf(request, path) {
  try {
    const fresh = await fetch(request);
    const version = fresh.ok ? versionOf(fresh) : undefined;
    return (await isKept(version)) ? await stamped(fresh, version) : fresh;
  } catch (error) {
    const version = await keptVersion();
    if (!version) throw error;
    return stamped(await caches.match(path === "" ? scope : BOARD, { cacheName: PAGES + version }), version);
  }
}

async function fileOf(version, path) {
  const kept = await caches.match(scope + path, { cacheName: PAGES + version });
  if (kept) return kept;
  const fresh = await detached(await fetch(scope + path, { cache: "no-cache" }));
  return (await servedVersion()) === version ? fresh : Response.error();
}

/** Files that are no code have no version: the newest one counts. */
async function unversioned(request, path) {
  return fetch(request).catch(async (error) => {
    const kept = await caches.match(scope + path, { cacheName: PAGES + (await keptVersion()) });
    if (kept) return kept;
    throw error;
  });
}

/** Keeps the page that the server has now, with what pages name and `others`, which one fetched by itself. */
async function keepPage(board, others) {
  const [page, start] = await Promise.all([board, scope].map((path) => fetch(path, { cache: "no-cache" })));
  const version = versionOf(page);
  if (!version || versionOf(start) !== version) return false;
  const named = async (answer) => Array.from((await answer.clone().text()).matchAll(/\bstatic\/[\w/.]+/g), ([path]) => path);
  const cache = await caches.open(PAGES + version);
  const paths = new Set([...(await named(page)), ...(await named(start)), ...others]);
  const fetched = await Promise.all(Array.from(paths, async (path) => {
    if (await cache.match(scope + path)) return undefined;
    const answer = await fetch(scope + path, { cache: "no-cache" });
    return answer.ok ? [scope + path, await detached(answer)] : undefined;
  }));
  // The server may have changed meanwhile.
  if ((await servedVersion()) !== version) return false;
  for (const [key, answer] of [...fetched.filter(Boolean), [scope, start], [BOARD, page]]) await cache.put(key, answer);
  const old = (await caches.keys()).filter((name) => name.startsWith(PAGES) && name !== PAGES + version);
  await Promise.all(old.map((name) => caches.delete(name)));
  return true;
}

/** Pictures are kept by board: whom it does not let in keeps none of them. */
const pictureKey = (path, board) => `${scope}${path}?${board}`;
const boardOf = (client) => /^b\/([^/]+)$/.exec((client && pathOf(client.url)) ?? "")?.[1];

async function pictureOf(event, path) {
  const board = boardOf(await self.clients.get(event.clientId));
  const cache = await caches.open(PICTURES);
  const kept = board && (await cache.match(pictureKey(path, board)));
  if (kept) return kept;
  const fresh = await fetch(event.request);
  // A device that is full has the page all the same, and does not wait for its own disk.
  if (fresh.ok && board) event.waitUntil(keepPicture(pictureKey(path, board), fresh.clone()).then(dropSoon).catch(() => {}));
  return fresh;
}

async function keepPicture(key, answer) {
  const cache = await caches.open(PICTURES);
  await cache.put(key, await detached(answer));
}

/** Many pictures come together, and are looked through once. @type {Promise<void> | undefined} */
let dropping;
function dropSoon() {
  dropping ??= new Promise((done) => setTimeout(done, DROP_MS)).then(() => {
    dropping = undefined;
    return dropPictures();
  });
  return dropping;
}

/** Those that came first go first. */
async function dropPictures() {
  const cache = await caches.open(PICTURES);
  let [count, bytes] = [0, 0];
  for (const request of (await cache.keys()).reverse()) {
    count += 1;
    bytes += Number((await cache.match(request))?.headers.get("content-length") ?? 0);
    if (count > MOST_PICTURES || bytes > MOST_PICTURE_BYTES) await cache.delete(request);
  }
}

async function keepPictures(paths, board) {
  const cache = await caches.open(PICTURES);
  for (const path of board ? paths : []) {
    const key = pictureKey(path, board);
    if (await cache.match(key)) continue;
    const answer = await fetch(scope + path);
    if (answer.ok) await keepPicture(key, answer);
  }
  await dropPictures();
}

async function forgetPictures(board) {
  const cache = await caches.open(PICTURES);
  const own = (await cache.keys()).filter(({ url }) => new URL(url).search === `?${board}`);
  await Promise.all(own.map((request) => cache.delete(request)));
}

/** A page says what it has fetched. */
async function keepAll(client, urls) {
  const paths = urls.map((url) => pathOf(url)?.replace(VERSIONED, "static/"));
  const isPageKept = await keepPage(new URL(client.url).pathname, paths.filter((path) => path?.startsWith("static/")));
  await keepPictures(paths.filter((path) => path?.startsWith("images/")), boardOf(client));
  if (isPageKept) client.postMessage("kept");
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  const forget = async () => {
    const isOld = (name) => name.startsWith("inkwire") && name !== PICTURES && !name.startsWith(PAGES);
    for (const name of await caches.keys()) if (isOld(name)) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(forget());
});
self.addEventListener("message", (event) => {
  const { keep, forget } = event.data;
  if (keep) event.waitUntil(keepAll(event.source, keep));
  if (forget) event.waitUntil(forgetPictures(forget));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.method === "GET" ? pathOf(request.url) : undefined;
  if (path === undefined) return;
  const [stamp, version] = VERSIONED.exec(path) ?? [];
  if (version) event.respondWith(fileOf(version, path.replace(stamp, "static/")));
  else if (path.startsWith("images/")) event.respondWith(pictureOf(event, path));
  else if (request.mode === "navigate" && /^(b\/.*)?$/.test(path)) event.respondWith(pageOf(request, path));
  else if (/^static\/[^@]*\.(svg|webmanifest)$/.test(path)) event.respondWith(unversioned(request, path));
});
