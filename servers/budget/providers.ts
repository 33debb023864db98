/** The model providers the fleet may ask: OpenAI-compatible endpoints, named in a JSON file, their keys in the environment. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigError, type Environment } from '../support/config.js';

const providerSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected lowercase letters, digits and dashes'),
  /** Up to and including the version, e.g. `https://api.openai.com/v1`. */
  baseUrl: z.url({ protocol: /^https?$/ }),
  model: z.string().min(1).max(200),
  /** Name of the environment variable that holds the key; absent for endpoints that need none. */
  apiKeyVariable: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .optional(),
  /** US dollars per million tokens. */
  inputPrice: z.number().min(0),
  outputPrice: z.number().min(0),
  enabled: z.boolean().default(true),
});

const fileSchema = z.array(providerSchema).max(50);

export interface Provider extends Omit<z.output<typeof providerSchema>, 'apiKeyVariable'> {
  readonly apiKey: string | undefined;
  /** False when it needs a key and the environment has none. */
  readonly configured: boolean;
}

/**
 * The providers of a file; none when there is no file.
 *
 * @throws ConfigError when the file is not what it must be
 */
export function readProviders(file: string, env: Environment): Provider[] {
  if (!existsSync(file)) return [];
  const result = fileSchema.safeParse(parseJson(file));
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new ConfigError(`${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'is invalid'}`);
  }
  const ids = result.data.map(({ id }) => id);
  const double = ids.find((id, i) => ids.indexOf(id) !== i);
  if (double !== undefined) throw new ConfigError(`${file}: two providers are called '${double}'`);
  return result.data.map(({ apiKeyVariable, ...provider }) => {
    const apiKey = apiKeyVariable === undefined ? undefined : env[apiKeyVariable];
    return { ...provider, apiKey, configured: apiKeyVariable === undefined || (apiKey ?? '') !== '' };
  });
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${file}: is not JSON: ${(error as Error).message}`);
  }
}

/** Millionths of a dollar for that many tokens (prices per million tokens are millionths per token). */
export function costMicros(provider: Provider, inputTokens: number, outputTokens: number): number {
  return Math.ceil(inputTokens * provider.inputPrice + outputTokens * provider.outputPrice);
}

/** Tokens a chat's wrapping adds around a prompt. */
const WRAPPING_TOKENS = 32;

/** The most tokens a prompt can be: byte-level tokenizers never make more tokens than there are bytes. */
export function mostInputTokens(prompt: string): number {
  return Buffer.byteLength(prompt) + WRAPPING_TOKENS;
}
