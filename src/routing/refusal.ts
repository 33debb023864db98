/** The failures that prove that no process serves at an address. Any other failure might be temporary. */

/**
 * Whether the connection was refused: the machine reported that no process listens there. A full backlog does not
 * respond.
 */
export function isRefusal(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null | undefined)?.code === 'ECONNREFUSED';
}
