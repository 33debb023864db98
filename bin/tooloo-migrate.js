#!/usr/bin/env node
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runMigrate } from '@tooloo/resilience/migrate';

/** TypeScript of the project, else the one beside this package. */
async function loadCompiler() {
  for (const from of [join(process.cwd(), 'index.js'), import.meta.url]) {
    try {
      return createRequire(from)('typescript');
    } catch {
      // The next place.
    }
  }
  throw new Error("TypeScript is not installed: run 'npm install --save-dev typescript@6'");
}

process.exitCode = await runMigrate(process.argv.slice(2), { loadCompiler, print: console.log });
