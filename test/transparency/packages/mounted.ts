/** Sends the steps of a package's suite to its application, bare and with the kit mounted. */
import { comparable } from '../differential.js';
import { exchange, messagesOf, type Message } from '../exchange.js';
import { BARE, start, type Build, type Variant } from '../variants.js';
import { requestOf, type Step } from './suite.js';

/** The cookies of a client. */
class Cookies {
  readonly #values = new Map<string, string>();

  toString(): string {
    return Array.from(this.#values, ([name, value]) => `${name}=${value}`).join('; ');
  }

  keep(messages: readonly Message[]): void {
    for (const [name, value] of messages.flatMap(({ fields }) => fields)) {
      const [, cookie, content] = (name.toLowerCase() === 'set-cookie' && /^([^=]+)=([^;]*)/.exec(value)) || [];
      if (cookie !== undefined) this.#values.set(cookie, content!);
    }
  }
}

/** The response to one step. */
export interface Answer {
  readonly step: Step;
  readonly received: string;
}

/** The time at which a cookie expires is that of its response plus its lifetime. */
const withoutExpiry = (received: string): string =>
  received.replace(/; Expires=\w{3}, \d\d \w{3} 20[^;\r]*/g, '; Expires=later');

/** Sends the steps to a new application. A variant that forwards gets a bare application of its own. */
export async function answersOf(build: Build, steps: readonly Step[], variant: Variant = BARE): Promise<Answer[]> {
  const bare = await start(BARE, build, 0);
  const server = variant === BARE ? bare : await start(variant, build, bare.port);
  const cookies = new Cookies();
  const answers: Answer[] = [];
  try {
    for (const step of steps) {
      const kind = requestOf(step, cookies.toString());
      const received = withoutExpiry(await exchange(server.port, kind, step.target));
      cookies.keep(messagesOf(received, kind));
      answers.push({ step, received });
    }
  } finally {
    if (server !== bare) await server.close();
    await bare.close();
  }
  return answers;
}

/** The final response to the step, with its fields and body as the text that `Step.shows` is looked for in. */
function textOf({ step, received }: Answer): { status: number; text: string } {
  const message = messagesOf(received, requestOf(step, '')).find(({ status }) => status === 0 || status >= 200);
  const fields = message?.fields.map(([name, value]) => `${name}: ${value}`) ?? [];
  return { status: message?.status ?? 0, text: [...fields, '', message?.body ?? ''].join('\n') };
}

/** The answers of the bare application that are not what the package documents. */
export function undocumented(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => {
    const { name, status: expected, shows } = answer.step;
    const { status, text } = textOf(answer);
    const isRight = status === expected && (shows === undefined || shows.test(text));
    return isRight ? [] : [`${name}: expected ${expected} ${shows ?? ''}, got ${status}\n${text}`];
  });
}

/** An answer as it is compared between variants. */
export function comparableOf({ step, received }: Answer, variant: Variant): string {
  return comparable(received, requestOf(step, ''), variant);
}
