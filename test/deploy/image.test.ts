/**
 * The image of deploy/Dockerfile, run as Compose and the pods run it. A build takes minutes and needs the network. The
 * image is therefore not built here, and without it nothing is tested, not even on CI. docs/deployment.md says how to
 * build it.
 */
import { FLEET } from '../../servers/support/fleet.js';
import { Container, imageUnavailable, type ContainerOptions } from '../support/containers.js';
import { describeWhereBuilt } from '../support/services.js';
import { eventually } from '../support/eventually.js';

jest.setTimeout(120_000);

/** Status of a response; 0 without a response. */
const statusOf = (url: string): Promise<number> =>
  fetch(url).then(
    async (answer) => {
      await answer.arrayBuffer();
      return answer.status;
    },
    () => 0,
  );

describeWhereBuilt(imageUnavailable, 'the image', () => {
  const containers: Container[] = [];
  afterEach(() => Promise.all(containers.splice(0).map((container) => container.remove())));

  /** Starts a container and waits until it is ready. */
  async function run(options: ContainerOptions): Promise<Container> {
    const container = await Container.run(options);
    containers.push(container);
    await eventually(
      () => statusOf(`${container.url}/readyz`),
      (status) => status === 200,
    );
    return container;
  }

  test('runs one service, which cannot write to its program folder, and exits with 0 on SIGTERM', async () => {
    const { port } = FLEET.training;
    const env = { DRAIN_DELAY_MS: '200' };
    const service = await run({ port, env, args: ['dist/servers/training-server.js'] });
    for (const path of ['livez', 'startupz', 'api/v1/training/sessions'])
      expect([path, await statusOf(`${service.url}/${path}`)]).toEqual([path, 200]);
    expect(await service.shell('id -un')).toEqual({ code: 0, output: 'node' });
    expect((await service.shell('touch /data/file /tmp/file')).code).toBe(0);
    expect((await service.shell('touch /app/file')).code).not.toBe(0);
    expect((await service.shell(`node healthcheck.js ${port}`)).code).toBe(0);
    expect((await service.shell('node healthcheck.js 9')).code).toBe(1);
    expect(await service.stop()).toBe(0);
  });

  test('runs the whole fleet, which exits with 0 on SIGTERM', async () => {
    const fleet = await run({ port: FLEET.web.port, env: { CONTROL_TOKEN: 'sixteen characters or more' } });
    await eventually(
      () => statusOf(`${fleet.url}/api/v1/training/sessions`),
      (status) => status === 200,
    );
    const answer = await fetch(`${fleet.url}/api/v1/system/scale/training/up`, { method: 'POST' });
    expect(answer.status).toBe(401); // a request from outside the container needs the token
    expect(await fleet.stop()).toBe(0);
  });

  test('serves requests during the drain delay after SIGTERM, while it is not ready', async () => {
    const env = { DRAIN_DELAY_MS: '2000' };
    const service = await run({ port: FLEET.training.port, env, args: ['dist/servers/training-server.js'] });
    let isOver = false;
    const stopped = service.stop().finally(() => (isOver = true));
    const statuses = new Set<number>();
    while (!isOver) {
      const ready = await statusOf(`${service.url}/readyz`);
      const work = await statusOf(`${service.url}/api/v1/training/sessions`);
      statuses.add(ready);
      if (ready === 503 && work !== 0) statuses.add(work);
    }
    expect(await stopped).toBe(0);
    expect([...statuses].filter((status) => status !== 0).sort()).toEqual([200, 503]);
  });
});
