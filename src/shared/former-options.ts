/** Options by the names they had in earlier versions: understood, with a warning once that says the present name. */
import { isObject } from './options.js';
import { warnOnce } from './warnings.js';

/** Maps each former name to the present one, or to the reason it was dropped and the replacement. */
export type FormerNames<T> = Readonly<Record<string, (keyof T & string) | { readonly dropped: string }>>;

/**
 * The options with former names replaced by present ones. Where both are given the present one counts. The caller's
 * object is never changed, and is returned as it is when it has no former name.
 *
 * @param who the factory or class, the first word of the warning
 */
export function withPresentNames<T extends object>(
  who: string,
  options: T | undefined,
  names: FormerNames<T>,
): T | undefined {
  if (!isObject(options) || !Object.keys(names).some((name) => Object.hasOwn(options, name))) return options;
  const present: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const now = Object.hasOwn(names, name) ? names[name]! : name;
    if (typeof now === 'object') {
      warnOnce('TOOLOO_OPTION_RENAMED', who, `option '${name}' no longer has an effect: ${now.dropped}`);
    } else if (now === name) {
      present[name] = value;
    } else {
      warnOnce('TOOLOO_OPTION_RENAMED', who, `option '${name}' is now called '${now}'`);
      if ((options as Record<string, unknown>)[now] === undefined) present[now] = value;
    }
  }
  return present as T;
}
