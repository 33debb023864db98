/** What says for certain that nobody serves at an address, where any other failure might have been chance. */

/** Whether connecting was refused: the machine answered that nobody listens there. A full backlog is silent instead. */
export function isRefusal(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null | undefined)?.code === 'ECONNREFUSED';
}
