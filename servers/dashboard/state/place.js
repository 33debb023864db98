// Where the page is: follows the address bar.
import { parsePlace } from '../model/location.ts';
import { Observable } from './observable.js';

export const place = new Observable(parsePlace(location.hash));

addEventListener('hashchange', () => place.set(parsePlace(location.hash)));

/** Goes to an address of `hrefOf`. `replace`: without a step in the browser's history. */
export function goTo(href, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, '', href);
    place.set(parsePlace(href));
  } else location.hash = href;
}
