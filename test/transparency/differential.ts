/** The comparison: what the bare application sends, and what it sends with the kit mounted, must be the same. */
import { exchange, messagesOf, type Message } from './exchange.js';
import { REQUEST_KINDS, type RequestKind } from './requests.js';
import type { Scenario } from './scenario.js';
import { FRAMEWORKS, SCENARIOS, VARIANTS, Servers, type Framework, type Variant } from './variants.js';

/** One cell of the product. */
export interface Case {
  readonly framework: Framework;
  readonly scenario: number;
  readonly kind: number;
}

export interface Difference {
  readonly where: string;
  readonly bare: string;
  readonly mounted: string;
}

/** Fields about one connection: each hop says its own (RFC 9110 §7.6.1), and `Date` is the second of the answer. */
const OF_THE_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

/** The bytes without the second of their answer and without the fields that the variant adds. */
function asSent(received: string, { added }: Variant): string {
  const lines = added.length === 0 ? undefined : new RegExp(`\\r\\n(?:${added.join('|')}): [^\\r]*`, 'gi');
  const rest = lines === undefined ? received : received.replace(lines, '');
  return rest.replace(/\r\nDate: \w{3}, \d\d \w{3} 20[^\r]*/g, '\r\nDate: now');
}

/** The response as a client interprets it. The length of a complete body is ignored, because the body is compared. */
function asRead(received: string, kind: RequestKind, { added, isHop }: Variant): string {
  const ignored = new Set([...OF_THE_HOP, ...added.map((name) => name.toLowerCase())]);
  const end = received.endsWith('<no end>') ? ['<no end>'] : [];
  // A hop sends no informational response to a client of HTTP/1.0 (RFC 9110 §15.2); Node does.
  const isOld = isHop === true && kind.name.startsWith('HTTP/1.0');
  const messages = messagesOf(received, kind)
    .filter(({ status }) => !isOld || status >= 200 || status === 0)
    .slice(0, kind.isFramingBound === true ? 1 : undefined);
  const shown = messages.map(({ status, reason, fields, body, trailers, isComplete }) => {
    const isFramed = isComplete && body !== '';
    const kept = fields
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name, value]) => !ignored.has(name) && !(name === 'content-length' && (isFramed || value === '0')))
      .map(([name, value]) => `${name}: ${value}`);
    const after = trailers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
    return [`${status} ${reason}`, ...kept.sort(), '', body, ...after, isComplete ? '' : '<torn>'].join('\n');
  });
  return [...shown, ...end].join('\n---\n');
}

/** Of a torn response, only that it is torn and what its head said. */
function asTorn(messages: readonly Message[], isHop: boolean): string {
  const shown = messages.map(({ status, isComplete }) => `${status} ${isComplete ? 'whole' : 'torn'}`);
  // A gateway answers for an instance that broke off before its head (RFC 9110 §15.6.3).
  return shown.join(', ') || (isHop ? '502 whole' : 'nothing');
}

/** The part of an exchange that is compared. It is equal for all variants if the middleware changes nothing. */
export function comparable(received: string, kind: RequestKind, variant: Variant): string {
  return variant.by === 'reading' ? asRead(received, kind, variant) : asSent(received, variant);
}

function show(received: string, scenario: Scenario, kind: RequestKind, variant: Variant): string {
  if (scenario.isTorn !== true) return comparable(received, kind, variant);
  return asTorn(messagesOf(received, kind).slice(0, 1), variant.isHop === true);
}

/** Changes that a hop may make, each with the reason. Every other difference is a fault. */
const CHANGED_BY_A_HOP: Readonly<Record<string, string>> = {
  'head: an empty reason phrase': 'a hop may write another reason phrase (RFC 9112 §4)',
  'head: Connection: close of its own': 'the option is about one connection (RFC 9110 §7.6.1)',
  'argument: writeHead twice': 'the instance breaks off before its head, which is a 502 (RFC 9110 §15.6.3)',
};

function applies({ name, echoes, needsExpress5 }: Scenario, framework: Framework, { isHop }: Variant): boolean {
  if (isHop === true && (echoes === true || name in CHANGED_BY_A_HOP)) return false;
  return !(needsExpress5 === true && framework === 'Express 4');
}

export class Differential {
  readonly #servers = new Servers();
  readonly #bare = new Map<string, Promise<string>>();
  /** Comparisons of each case. */
  readonly #turns = new Map<string, number>();
  exchanges = 0;

  #ask(port: number, kind: RequestKind, target: string): Promise<string> {
    this.exchanges++;
    return exchange(port, kind, target);
  }

  #askBare(port: number, { framework, kind }: Case, target: string): Promise<string> {
    const key = `${framework} ${target}`;
    let answer = this.#bare.get(key);
    if (answer === undefined) {
      answer = this.#ask(port, REQUEST_KINDS[kind]!, target);
      this.#bare.set(key, answer);
    }
    return answer;
  }

  /** A target for each comparison, because a cache answers a second request from its store by rules of its own. */
  #targetOf({ framework, scenario, kind }: Case): string {
    const path = `/s/${scenario}?kind=${kind}`;
    const turn = this.#turns.get(framework + path) ?? 0;
    this.#turns.set(framework + path, turn + 1);
    return turn === 0 ? path : `${path}&turn=${turn}`;
  }

  /** One scenario asked in one way, of every variant. */
  async compare(one: Case, variants: readonly Variant[] = VARIANTS): Promise<Difference[]> {
    const scenario = SCENARIOS[one.scenario]!;
    const kind = REQUEST_KINDS[one.kind]!;
    const target = this.#targetOf(one);
    const barePort = await this.#servers.port(one.framework);
    const differences: Difference[] = [];
    for (const variant of variants) {
      if (!applies(scenario, one.framework, variant)) continue;
      const [bare, mounted] = await Promise.all([
        this.#askBare(barePort, one, target),
        this.#servers.port(one.framework, variant).then((port) => this.#ask(port, kind, target)),
      ]);
      const [expected, seen] = [bare, mounted].map((text) => show(text, scenario, kind, variant));
      if (expected === seen) continue;
      const where = `${variant.name}, ${one.framework}: ${scenario.name}, ${kind.name}`;
      differences.push({ where, bare: expected!, mounted: seen! });
    }
    return differences;
  }

  close(): Promise<void> {
    return this.#servers.close();
  }
}

/** Every cell of the product. */
export function* everyCase(): Generator<Case> {
  for (const framework of Object.keys(FRAMEWORKS) as Framework[]) {
    for (let scenario = 0; scenario < SCENARIOS.length; scenario++) {
      for (let kind = 0; kind < REQUEST_KINDS.length; kind++) yield { framework, scenario, kind };
    }
  }
}

/** A difference as a failure shows it: where, and the first place in which the two differ. */
export function describeDifference({ where, bare, mounted }: Difference): string {
  let at = 0;
  while (at < bare.length && bare[at] === mounted[at]) at++;
  const part = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 60), at + 160));
  return `${where}\n  bare    ${part(bare)}\n  mounted ${part(mounted)}`;
}
