const documentOf = (count) =>
  JSON.stringify({
    items: Array.from({ length: count }, (_, i) => ({ id: i, name: `item number ${i}`, isActive: i % 2 === 0 })),
  });

/** What the origin answers: a JSON document of about 1 KB, as an API's usual answer is. */
export const ANSWER = documentOf(20);

/** A list of about 64 KB. */
export const LARGE = documentOf(1210);
