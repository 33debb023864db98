// The application named by the argument, in a process of its own.
import { createServer } from 'node:http';
import { listen } from '../harness.js';
import { applications } from './applications.js';

listen(createServer(applications[process.argv[2]]()));
