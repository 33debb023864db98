/**
 * Only transpiled, because checking its types takes three seconds before the first suite starts.
 *
 * @jest-config-loader-options {"transpileOnly": true, "compilerOptions": {"module": "CommonJS", "moduleResolution": "Bundler"}}
 */
import { availableParallelism } from 'node:os';
import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  // Jest would leave a processor to its own process, which has nothing to do. Half as many again, because a suite waits for sockets
  // and other processes about a third of its time.
  maxWorkers: Math.ceil(1.5 * availableParallelism()),
  testMatch: ['**/*.test.ts'],
  testSequencer: '<rootDir>/test/support/slow-first.js',
  transform: {
    '^.+\\.ts$': [
      'ts-jest',
      // Types are checked once by `npm run typecheck`; here each file is only transpiled, to CommonJS, which Jest runs natively.
      {
        tsconfig: {
          module: 'CommonJS',
          moduleResolution: 'Bundler',
          isolatedModules: true,
          target: 'ES2022',
          esModuleInterop: true,
        },
      },
    ],
  },
  // Sources name their imports as Node's ES modules need them, with `.js`.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  // Jest's sandbox has an object of its own for globals, and each look at it is a call of C++. Parameters of the modules need none:
  // suites of properties take a sixth less processor time, those of simulations half. Not what a test or a package replaces, such
  // as Promise, Buffer, process and the timers.
  sandboxInjectedGlobals: [
    ...['Math', 'Number', 'String', 'Symbol', 'Object', 'Array', 'Float64Array', 'Uint8Array'],
    ...['Map', 'Set', 'WeakMap', 'JSON', 'Error', 'Date'],
  ],
  // A busy machine is slow, not wrong: only what hangs is to be ended.
  testTimeout: 60_000,
};

export default config;
