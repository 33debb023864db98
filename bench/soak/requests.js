// The soak's requests: a client of two million, and one of many paths. Four of five documents are of the thousand that are asked
// for most.
export const CLIENTS = 2_000_000;
export const DOCUMENTS = 200_000;
export const POPULAR = 1_000;

const below = (count) => Math.floor(Math.random() * count);

function path() {
  const kind = Math.random();
  if (kind < 0.6) return `/documents/${Math.random() < 0.8 ? below(POPULAR) : below(DOCUMENTS)}`;
  if (kind < 0.8) return `/calls/${below(DOCUMENTS)}`;
  return kind < 0.9 ? `/proxied/${below(DOCUMENTS)}` : '/livez';
}

/** One request at random. */
export const anyRequest = () => ({ path: path(), headers: { 'x-client': `client-${below(CLIENTS)}` } });
