import express from 'express';
import {
  cacheResponse,
  ConnectionPool,
  DiskCacheLayer,
  healthEndpoints,
  MultiLayerCacheManager,
  proxyBalanced,
  rateLimit,
  trace,
} from '@tooloo/resilience';
import { exercise } from './exercise.js';

const middleware = { cacheResponse, healthEndpoints, proxyBalanced, rateLimit, trace };
await exercise({ ...middleware, ConnectionPool, DiskCacheLayer, MultiLayerCacheManager }, express);
console.log('works');
