// Names that an example may use without declaring them, because they say what they are. See test/support/example-compiler.ts.
import type { Express } from 'express';
import type { Redis } from 'ioredis';
import type { Server } from 'node:http';
import type { ConnectionPool, DistributedTracer, IntelligentRouter, MultiLayerCacheManager } from '@tooloo/resilience';

declare global {
  const app: Express;
  const server: Server;
  const redis: Redis;
  const cache: MultiLayerCacheManager;
  const pool: ConnectionPool;
  const router: IntelligentRouter;
  const tracer: DistributedTracer;
  /** Any work of the application. */
  function createReport(): Promise<string>;
  function cleanUp(): Promise<void>;
}
