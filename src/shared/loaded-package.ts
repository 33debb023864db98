/** Packages that are loaded on first use, the optional ones among them. */
import { ResilienceError, messageOf } from './errors.js';
import { propertyOf } from './user-value.js';

/**
 * The exports of a CommonJS package that `import()` has loaded. Node names them on the module itself, but a bundler that splits
 * code (esbuild) has them only under `default`.
 */
export function exportsOf<M extends object>(loaded: M): M {
  const { default: whole } = loaded as { default?: M };
  return whole !== undefined && Object.keys(loaded).length === 1 ? whole : loaded;
}

/** The codes of `import()` and `require` for a package that is not installed. */
const NOT_FOUND: readonly unknown[] = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/**
 * The error for an optional package that could not be loaded: PACKAGE_MISSING with the command that installs it. A package that
 * is there and fails keeps its own error.
 *
 * @param feature that needs the package, as the beginning of a sentence
 */
export function missingPackage(name: string, feature: string, error: unknown): unknown {
  if (!NOT_FOUND.includes(propertyOf(error, 'code')) || !messageOf(error).includes(`'${name}'`)) return error;
  const message = `${feature} needs the package '${name}', which is not installed: run 'npm install ${name}'`;
  return new ResilienceError('PACKAGE_MISSING', message, { cause: error });
}
