/** Remembers what a function says about a field name, because nearly all messages have the same few names. */

/** A peer may send any number of names. Beyond this number, and for long names, the function is called each time. */
const MAX_NAMES = 500;
const MAX_LENGTH = 64;

/** The same function, which must depend on the name alone. */
export function cachedByName(decide: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const decided = decide(name);
    if (known.size < MAX_NAMES && name.length <= MAX_LENGTH) known.set(name, decided);
    return decided;
  };
}
