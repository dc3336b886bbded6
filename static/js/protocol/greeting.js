// The messages with which a connection begins. Pure.

/** The lineage of a board of which nothing is known. */
export const NO_EPOCH = "0".repeat(16);
/** Where somebody stands who has nothing of the board. */
export const NOTHING_YET = { epoch: NO_EPOCH, seq: 0, hash: "0".repeat(16) };

/**
 * Says who comes, by what, and what of the board they have.
 *
 * @param {{ clientId: string, name: string, colour: string }} identity
 * @param {{ token?: string, visitor?: string, password?: string }} credentials
 * @param {{ epoch: string, seq: number, hash: string }} position
 * @returns {object[]}
 */
export function greeting({ clientId, name, colour }, { token, visitor, password }, position) {
  const hello = { type: "hello", clientId, ...position, name, colour };
  return token || visitor || password ? [{ type: "credentials", token, visitor, password }, hello] : [hello];
}
