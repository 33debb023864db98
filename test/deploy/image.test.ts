/**
 * The image of deploy/Dockerfile, run as Compose and the pods run it. Building it takes minutes and the network, so it is
 * looked for, and nothing is tested without it, on CI neither: docs/deployment.md says how.
 */
import { FLEET } from '../../servers/support/fleet.js';
import { Container, imageUnavailable, type ContainerOptions } from '../support/containers.js';
import { describeWhereBuilt } from '../support/services.js';
import { eventually } from '../support/eventually.js';

jest.setTimeout(120_000);

/** Status of an answer; 0 for none. */
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

  /** A container that says that it is ready. */
  async function run(options: ContainerOptions): Promise<Container> {
    const container = await Container.run(options);
    containers.push(container);
    await eventually(
      () => statusOf(`${container.url}/readyz`),
      (status) => status === 200,
    );
    return container;
  }

  test('is one service, which may write nothing but its data, and ends well when it is told to', async () => {
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

  test('is the whole fleet, which ends well when it is told to', async () => {
    const fleet = await run({ port: FLEET.web.port, env: { CONTROL_TOKEN: 'sixteen characters or more' } });
    await eventually(
      () => statusOf(`${fleet.url}/api/v1/training/sessions`),
      (status) => status === 200,
    );
    const answer = await fetch(`${fleet.url}/api/v1/system/scale/training/up`, { method: 'POST' });
    expect(answer.status).toBe(401); // who comes from beyond the container shows the token
    expect(await fleet.stop()).toBe(0);
  });

  test('serves what it has begun when it is told to end', async () => {
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
