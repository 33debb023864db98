// The last search for traces, to which the link above a trace leads back.
export const lastSearch = { query: {} };
