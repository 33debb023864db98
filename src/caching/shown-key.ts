/** Keys, tags and patterns in the form in which they are shown to people. */
import { hiddenKey } from '../shared/hidden-key.js';
import { shownResponseKey } from './http/request-key.js';

/** The most characters shown, because a key may be as long as a URL. */
const LONGEST = 160;

/** @param isHidden whether keys hold secrets, so that no part of them may be shown */
export function shownKey(key: string, isHidden: boolean): string {
  if (isHidden) return hiddenKey(key);
  const shown = shownResponseKey(key);
  return shown.length <= LONGEST ? shown : `${shown.slice(0, LONGEST - 1)}…`;
}
