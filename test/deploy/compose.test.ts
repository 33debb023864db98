/** The compose file against its specification, and against the servers it starts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { readConfig, VARIABLE_NAMES } from '../../servers/support/config.js';
import { FLEET, MANAGED_SERVICES } from '../../servers/support/fleet.js';
import { trainingServer } from '../../servers/training-server.js';
import { testFleet } from '../support/fleet-server.js';
import { freePort } from '../support/free-port.js';

const DEPLOY = resolve(__dirname, '../../deploy');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Record<string, string>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

const text = readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8');
const compose = parse(text, { merge: true }) as { services: Record<string, Service> };

/** Replaces variables like Compose does, in an environment that sets only the token. */
function interpolated(value: string): string {
  return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name: string, kind, fallback: string) =>
    kind === '-' ? fallback : `a value for ${name} of enough characters`,
  );
}

/** The specification that the linter dclint includes. The member that names its draft, 7, is removed. */
const { $schema: _draft, ...schema } = JSON.parse(
  readFileSync(join(dirname(require.resolve('dclint/package.json')), 'schemas/compose.schema.json'), 'utf8'),
) as { readonly $schema: string };

test('fits the specification', () => {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
  validate(compose);
  expect(validate.errors).toBeNull();
  validate({ services: { web: { imag: 'tooloo/fleet', ports: 3000 } } });
  expect(validate.errors?.map(({ keyword }) => keyword).sort()).toEqual(['additionalProperties', 'type']);
});

test('starts each service of the fleet, with variables that it reads and accepts', () => {
  for (const name of MANAGED_SERVICES) {
    const { command, environment = {} } = compose.services[name]!;
    expect(command).toEqual([`dist/servers/${name}-server.js`]);
    expect(VARIABLE_NAMES).toEqual(expect.arrayContaining(Object.keys(environment)));
    const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, interpolated(value)]));
    expect(readConfig(env)).toMatchObject({ HOST: '0.0.0.0', PEER_HOST: '{service}', DRAIN_DELAY_MS: 5000 });
  }
});

test('checks the health of each service on its own port', () => {
  for (const name of MANAGED_SERVICES.filter((one) => one !== 'web')) {
    const { healthcheck } = compose.services[name]!;
    expect(healthcheck?.test).toEqual(['CMD', 'node', 'healthcheck.js', String(FLEET[name].port)]);
  }
});

test('pins the version of every image that it does not build', () => {
  for (const { image } of Object.values(compose.services)) {
    if (image !== 'tooloo/fleet') expect(image).toMatch(/:v?\d+\.\d+/);
  }
});

describe('the image', () => {
  const dockerfile = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8');
  const final = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));

  test('runs as an unprivileged user, and has a health check', () => {
    expect(final).toMatch(/^USER node$/m);
    expect(final).toMatch(/^HEALTHCHECK .*"healthcheck\.js", "3000"\]$/m);
    const variables = [...final.matchAll(/^(?:ENV| {4}) *([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(['NODE_ENV', ...VARIABLE_NAMES]).toEqual(expect.arrayContaining(variables));
  });

  test('has a health check that passes for a ready server and fails without a server', async () => {
    const check = async (port: string): Promise<number> => {
      const child: ChildProcess = spawn(process.execPath, [join(DEPLOY, 'healthcheck.js'), port], { stdio: 'ignore' });
      const [code] = (await once(child, 'exit')) as [number];
      return code;
    };
    const fleet = testFleet();
    try {
      const url = await fleet.listen(trainingServer);
      expect(await check(new URL(url).port)).toBe(0);
    } finally {
      await fleet.close();
    }
    expect(await check(String(await freePort()))).not.toBe(0);
  }, 60_000);
});
