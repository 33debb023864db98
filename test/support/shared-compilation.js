// Jest's runtime, which compiles a module once for all suites of a process. Jest itself compiles every module again for every
// suite; a script of V8 belongs to no suite, and keeps the functions that an earlier one had compiled.
import { Script } from 'node:vm';
import runtime from 'jest-runtime';

const Runtime = runtime.default ?? runtime;

/** The compiled scripts by file. A file whose text has changed, as in watch mode, is compiled anew. */
const compiled = new Map();

function compile(executor, source, filename) {
  const known = compiled.get(filename);
  if (known?.source === source) return known.script;
  // On the first line of the module, so that lines and columns of stack traces stay.
  const head = `(function (${executor.injectedModuleParameters.join(', ')}) {`;
  const script = new Script(`${head}${source}\n})`, { filename, columnOffset: -head.length });
  compiled.set(filename, { source, script });
  return script;
}

export default class SharedCompilation extends Runtime {
  constructor(...options) {
    super(...options);
    const { executor } = this;
    const compileAlone = executor.compile.bind(executor);
    executor.compile = (source, filename) => {
      const context = executor.environment.getVmContext();
      if (context == null) return null;
      try {
        return compile(executor, source, filename).runInContext(context);
      } catch {
        return compileAlone(source, filename); // which says what is wrong with it
      }
    };
  }
}
