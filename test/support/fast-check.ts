/**
 * fast-check with a fixed seed: every run tries the same cases, so that results never depend on luck.
 * `FC_SEED=random npm test` looks for new cases. A failure prints the seed that repeats it.
 */
import fc from 'fast-check';

const FIXED = 42;
const { FC_SEED: wanted = String(FIXED) } = process.env;

if (wanted !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });

const LONE_SURROGATES = { from: 0xd800, to: 0xdfff };
const COUNT = LONE_SURROGATES.to - LONE_SURROGATES.from + 1;

function codePointOf(character: string): number {
  const code = character.codePointAt(0);
  if (code === undefined || String.fromCodePoint(code) !== character) throw new Error('not one character');
  return code;
}

/**
 * The unit of a string of any characters, with the cases of fast-check's `binary`. `binary` needs a second to list all characters
 * of Unicode before its first case, in every suite.
 */
export const anyCharacter = fc.nat({ max: 0x10ffff - COUNT }).map(
  (index) => String.fromCodePoint(index < LONE_SURROGATES.from ? index : index + COUNT),
  (character) => {
    const code = codePointOf(character as string);
    if (code < LONE_SURROGATES.from) return code;
    if (code <= LONE_SURROGATES.to) throw new Error('half a character');
    return code - COUNT;
  },
);

export default fc;
