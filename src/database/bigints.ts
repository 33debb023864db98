/** How integers beyond what a JavaScript number holds exactly (2^53) arrive: the same on both databases. */

/** 'auto': a number if it holds the value exactly, else a BigInt; 'always': a BigInt; 'number': a number, rounded. */
export type Bigints = 'auto' | 'always' | 'number';

type BigintReader = (text: string) => number | bigint;

/** Reads the text of an integer. */
export function bigintReader(bigints: Bigints): BigintReader {
  if (bigints === 'always') return BigInt;
  if (bigints === 'number') return Number;
  return (text) => {
    const number = Number(text);
    return Number.isSafeInteger(number) ? number : BigInt(text);
  };
}
