import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { cacheResponse, healthEndpoints, rateLimit, trace } from '@tooloo/resilience';

/** A decorator without the syntax, so that the example needs no compiler. */
const decorate = (target, ...decorators) => decorators.forEach((decorator) => decorator(target)) ?? target;

class CatsController {
  findAll() {
    return ['Tom', 'Felix'];
  }
}
Get()(CatsController.prototype, 'findAll', Object.getOwnPropertyDescriptor(CatsController.prototype, 'findAll'));
decorate(CatsController, Controller('cats'));

class AppModule {}
decorate(AppModule, Module({ controllers: [CatsController] }));

const app = await NestFactory.create(AppModule, { logger: ['error'] });
const health = healthEndpoints({ onSignal: () => app.close() });
app.use(trace({ serviceName: 'cats' }), health, rateLimit({ rateLimit: 100, refillRate: 10 }), cacheResponse());
const server = await app.listen(process.env.PORT ?? 3000);
process.on('SIGTERM', () => health.shutdown(server));
