/** The orchestrator (3100): starts, watches and restarts the eight services, and publishes their addresses. */
import { runOrchestrator } from './orchestrator/run-orchestrator.js';
import { isMain } from './support/run.js';

if (isMain('orchestrator')) void runOrchestrator();
