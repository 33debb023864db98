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

const kit = {
  cacheResponse,
  ConnectionPool,
  DiskCacheLayer,
  healthEndpoints,
  MultiLayerCacheManager,
  proxyBalanced,
  rateLimit,
  trace,
};
void exercise(kit, express).then(() => console.log('works'));
