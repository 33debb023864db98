// The current place of the page, which follows the address bar. The time range of all views is part of it.
import { keepParameters, parsePlace } from '../model/location.ts';
import { rangeParameters } from '../model/time-range.ts';
import { Observable } from './observable.js';

export const place = new Observable(read(location.hash));

addEventListener('hashchange', () => place.set(read(location.hash)));

function read(hash) {
  const parsed = parsePlace(hash);
  keepParameters(rangeParameters(parsed.query));
  return parsed;
}

/** Goes to an address from `hrefOf`. `replace` adds no entry to the browser's history. */
export function goTo(href, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, '', href);
    place.set(read(href));
  } else location.hash = href;
}
