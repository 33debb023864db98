// Every entry beside the main one, with its types: those of the packages it needs are installed here.
import { getNamespace, createNamespace } from 'cls-hooked';
import { trace as openTelemetry } from '@opentelemetry/api';
import { trace, type ContextCarrier, type RateLimitStore } from '@tooloo/resilience';
import { clsHookedContext } from '@tooloo/resilience/cls-hooked';
import { kubernetes, type KubernetesOptions } from '@tooloo/resilience/kubernetes';
import { openTelemetryExporter, registerOpenTelemetry } from '@tooloo/resilience/opentelemetry';
import { postgresConnections, type PostgresConnection } from '@tooloo/resilience/postgres';
import { RedisStore, type RedisScriptClient } from '@tooloo/resilience/redis';
import { FakeClock } from '@tooloo/resilience/testing';

const carrier: ContextCarrier = clsHookedContext(createNamespace('shop'));
const traced = trace({ serviceName: 'shop', context: carrier });
const store = (client: RedisScriptClient): RateLimitStore => new RedisStore({ client });
const factory = postgresConnections('postgres://127.0.0.1/none');
const dialect: PostgresConnection['dialect'] = 'postgres';
const options: KubernetesOptions['requestTimeout'] = 1000;

const seen = [
  getNamespace('shop') !== undefined && traced.tracer !== undefined,
  typeof store === 'function' && typeof RedisStore === 'function',
  factory.dialect === dialect,
  typeof kubernetes === 'function' && options === 1000,
  typeof openTelemetryExporter === 'function' && typeof registerOpenTelemetry === 'function',
  openTelemetry.getTracer('shop') !== undefined,
  new FakeClock(5).now() === 5,
];
void traced.close();
console.log(seen.every(Boolean) ? 'works' : `does not work: ${seen.join(' ')}`);
