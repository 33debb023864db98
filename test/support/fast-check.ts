/**
 * fast-check with a fixed seed: every run tries the same cases, so that results never depend on luck.
 * `FC_SEED=random npm test` looks for new cases. A failure prints the seed that repeats it.
 */
import fc from 'fast-check';

const FIXED = 42;
const { FC_SEED: wanted = String(FIXED) } = process.env;

if (wanted !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(wanted) });

export default fc;
