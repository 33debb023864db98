/** Closes resources in the reverse order of opening, so that each one closes before the resources it depends on. */
export class CloseStack {
  readonly #closers: Array<() => unknown> = [];
  #closing: Promise<void> | undefined;

  /** Adds a function that closes a resource just opened. */
  add(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  /** Closes all resources, the last one first. A failure does not stop the others from closing. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const closer of this.#closers.reverse()) {
      try {
        await closer();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be closed');
  }
}
