// The fleet at a glance: instances as the orchestrator streams them, with what each got from the gateway.
const LOAD_PERIOD_MS = 2000;

const body = document.getElementById('instances');
const connection = document.getElementById('connection');
let instances = [];
let load = new Map();

// State is told by word and sign, never by colour alone.
const SIGNS = { ready: '●', starting: '◌', waiting: '◔', draining: '◐', stopped: '○', failed: '✕' };

function cell(text, className) {
  const element = document.createElement('td');
  element.textContent = text ?? '';
  if (className !== undefined) element.className = className;
  return element;
}

function row(instance) {
  const { service, id, state, port, pid, readyAfterMs, restarts, reason } = instance;
  const got = load.get(`${service} ${port}`);
  const element = document.createElement('tr');
  element.append(
    cell(service),
    cell(id),
    cell(
      `${SIGNS[state] ?? '?'} ${state}${reason === null ? '' : `: ${reason}`}`,
      reason === null ? undefined : 'reason',
    ),
    cell(port === 0 ? '' : String(port)),
    cell(pid === null ? '' : String(pid)),
    cell(readyAfterMs === null ? '' : `${(readyAfterMs / 1000).toFixed(2)} s`),
    cell(String(restarts)),
    cell(got === undefined ? '0' : String(got.requests)),
    cell(got === undefined ? '0' : String(got.failures)),
  );
  return element;
}

function draw() {
  body.replaceChildren(...instances.map(row));
}

async function readLoad() {
  try {
    const response = await fetch('/api/v1/system/load-distribution');
    if (!response.ok) return;
    const { services } = await response.json();
    load = new Map(
      services.flatMap(({ service, instances: targets }) =>
        targets.map((target) => [`${service} ${target.port}`, target]),
      ),
    );
    draw();
  } catch {
    // The stream below tells of lost connections; the numbers come back with it.
  }
}

const stream = new EventSource('/api/v1/system/instances');
for (const name of ['snapshot', 'change']) {
  stream.addEventListener(name, (event) => {
    instances = JSON.parse(event.data).instances;
    const ready = instances.filter(({ state }) => state === 'ready').length;
    connection.textContent = `Live: ${ready} of ${instances.length} ready`;
    draw();
  });
}
stream.addEventListener('error', () => {
  connection.textContent = 'Connection lost. Trying again…';
});

setInterval(() => {
  if (!document.hidden) void readLoad();
}, LOAD_PERIOD_MS);
void readLoad();
