/** The runtimes that a part does not run on, reported when it is created, not by its first request. */
/**
 * Rejects Bun: its `http` has no sockets that can be handed over, which forwarding and upgrades need.
 *
 * @param versions of the runtime
 * @throws TypeError under Bun
 */
export function requireNodeSockets(
  part: string,
  versions: Readonly<Record<string, string | undefined>> = process.versions,
): void {
  if (versions['bun'] === undefined) return;
  throw new TypeError(
    `${part} does not run on Bun ${versions['bun']}, because it needs Node's sockets: run this server with Node`,
  );
}
