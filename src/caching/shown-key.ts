/** Keys, tags and patterns as people are shown them. */
import { hiddenKey } from '../shared/hidden-key.js';
import { shownResponseKey } from './http/request-key.js';

/** Characters shown: a key may be as long as a URL. */
const LONGEST = 160;

/** @param isHidden whether keys hold secrets, so that none of it may be shown */
export function shownKey(key: string, isHidden: boolean): string {
  if (isHidden) return hiddenKey(key);
  const shown = shownResponseKey(key);
  return shown.length <= LONGEST ? shown : `${shown.slice(0, LONGEST - 1)}…`;
}
