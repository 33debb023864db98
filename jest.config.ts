/**
 * Only transpiled, because checking its types takes three seconds before the first suite starts.
 *
 * @jest-config-loader-options {"transpileOnly": true, "compilerOptions": {"module": "CommonJS", "moduleResolution": "Bundler"}}
 */
import type { Config } from 'jest';
import { availableParallelism } from 'node:os';

const config: Config = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  // Half as many again as there are processors: suites wait for timeouts, disks and processes for more than a third of the
  // time that they do not wait for a processor.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
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
  // A busy machine is slow, not wrong: only what hangs is to be ended.
  testTimeout: 60_000,
};

export default config;
