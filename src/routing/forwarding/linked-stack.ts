/** A stack whose members can leave from any place, so that nothing is searched. */

/** A member, which holds its own links: pushing it creates nothing. It is in one stack at most. */
export interface StackMember<T> {
  above: T | undefined;
  below: T | undefined;
  isStacked: boolean;
}

export class LinkedStack<T extends StackMember<T>> {
  #top: T | undefined;

  push(member: T): void {
    if (this.#top !== undefined) this.#top.above = member;
    member.below = this.#top;
    member.isStacked = true;
    this.#top = member;
  }

  /** Removes and returns the member that was pushed last. */
  pop(): T | undefined {
    const top = this.#top;
    if (top !== undefined) this.remove(top);
    return top;
  }

  /** Takes one out, wherever it is. Does nothing if it is not in the stack. */
  remove(member: T): void {
    if (!member.isStacked) return;
    const { above, below } = member;
    if (above === undefined) this.#top = below;
    else above.below = below;
    if (below !== undefined) below.above = above;
    member.above = undefined;
    member.below = undefined;
    member.isStacked = false;
  }
}
