/** The orchestrator (3100): starts the eight services, watches and restarts them, and tells the others who is where. */
import { runOrchestrator } from './orchestrator/run-orchestrator.js';
import { isMain } from './support/run.js';

if (isMain('orchestrator')) void runOrchestrator();
