/**
 * fast-check with a fixed seed: a run tries the same cases as the one before, so that a change is never judged by luck.
 * `FC_SEED=random npm test` looks for new ones; a failure prints the seed that repeats it.
 */
import fc from 'fast-check';

const FIXED = 42;
const { FC_SEED: wanted = String(FIXED) } = process.env;

if (wanted !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });

export default fc;
