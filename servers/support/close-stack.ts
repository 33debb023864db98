/** What was opened, to be closed in the reverse order: whatever is built on another goes first. */
export class CloseStack {
  readonly #closers: Array<() => unknown> = [];
  #closing: Promise<void> | undefined;

  /** Adds what closes a thing just opened. */
  add(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  /** Closes everything, the last first, each even when one before it failed. Idempotent. */
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
