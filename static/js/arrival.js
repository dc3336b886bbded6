// Who comes to this board, and by which link. That is found out, and said to the server, while the rest of the page is still being
// fetched: its script stands by itself in the page, so that it waits for no other.

import { keepClient, keepLink, linksOf, profile, takeClient, visitor } from "./device/identity.js";
import { Outbox } from "./device/outbox.js";
import { isSecret, tokenOf } from "./plane/place.js";
import { NOTHING_YET, greeting } from "./protocol/greeting.js";
import { dialEarly, socketUrl } from "./session/dial.js";

export const boardName = location.pathname.split("/").pop() ?? "";
export const outbox = new Outbox();

/**
 * The secret of a link is taken out of the address at once, so that nobody sees it there, and kept for when this board is opened
 * again. Half a link is none: `isBroken`.
 *
 * @returns {{ token: string | undefined, isBroken: boolean }}
 */
export function takeLink() {
  const token = tokenOf(location.hash);
  const { own, host } = linksOf(boardName);
  if (!token) return { token: own, isBroken: isSecret(location.hash) };
  history.replaceState(history.state, "", location.href.replace(/#.*/, ""));
  // A host who looks at what others see comes back as the host.
  if (!host) keepLink(boardName, "own", token);
  return { token, isBroken: false };
}

export const link = takeLink();
export const credentials = { token: link.token, visitor: visitor(), password: "" };
// Half a link is not taken for none: it would let in as somebody else, or not at all.
const early = link.isBroken ? undefined : dialEarly(socketUrl(boardName));

/** Who draws here, when that is known. */
export const identity = takeClient(boardName, outbox).then((client) => ({ ...client, ...profile() }));
identity.then((it) => {
  early?.greet(greeting(it, credentials, NOTHING_YET));
  // Whoever reloads a page that is not all there yet is who they were; one that is says more of it, after this.
  addEventListener("pagehide", () => keepClient(boardName, it, it.nextCseq));
});
