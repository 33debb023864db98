// The token, shared by all tabs of this browser. The last tab that closes forgets it.
const TOKEN = 'tooloo.token';

const channel = globalThis.BroadcastChannel && new globalThis.BroadcastChannel(TOKEN);

/** Only a token that the server accepts goes to other tabs, so a mistyped one does not lock them out. */
let isAccepted = false;

export function savedToken() {
  return sessionStorage.getItem(TOKEN) ?? undefined;
}

/** Stores the token for this tab; undefined or an empty token is removed. */
export function saveToken(token) {
  isAccepted = false;
  if (token === undefined || token === '') sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** The server accepts the stored token, so other tabs may have it. */
export function tokenAccepted() {
  isAccepted = savedToken() !== undefined;
}

/** Gives the stored token to the other tabs, or removes theirs if none is stored. */
export function shareToken() {
  channel?.postMessage({ token: savedToken() });
}

/** Asks the other tabs for their token. The answer is a change. */
export function askForToken() {
  channel?.postMessage({ question: true });
}

/** @param listener called without arguments when another tab has changed the token */
export function onTokenChange(listener) {
  channel?.addEventListener('message', ({ data: { question, token } }) => {
    if (question) {
      if (isAccepted) shareToken();
    } else if (token !== savedToken()) {
      saveToken(token);
      listener();
    }
  });
}
