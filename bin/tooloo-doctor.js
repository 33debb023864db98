#!/usr/bin/env node
import { pathToFileURL } from 'node:url';
import { runDoctor } from '@tooloo/resilience/doctor';

const load = (path) => import(pathToFileURL(path).href);
// The application may keep the process alive, and need not: it was only looked at.
process.exit(await runDoctor(process.argv.slice(2), { load, print: console.log }));
