// What the origin answers: a JSON document of about 1 KB, as an API's usual answer is.
const items = Array.from({ length: 20 }, (_, i) => ({ id: i, name: `item number ${i}`, isActive: i % 2 === 0 }));
export const ANSWER = JSON.stringify({ items });
