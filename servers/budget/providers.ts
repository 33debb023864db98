/**
 * The model providers of the fleet: OpenAI-compatible endpoints from a JSON file, with their keys in the environment.
 */
import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { ConfigError, defaultOf, type Environment } from '../support/config.js';

const providerSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected lowercase letters, digits and dashes'),
  /** Base URL including the version, e.g. `https://api.openai.com/v1`. */
  baseUrl: z.url({ protocol: /^https?$/ }),
  model: z.string().min(1).max(200),
  /** Name of the environment variable with the key. Leave it out for endpoints without a key. */
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
  /** False if the provider needs a key that is not in the environment. */
  readonly configured: boolean;
}

/**
 * Reads the providers from a file. Without a file, the list is empty.
 *
 * @throws ConfigError if the file is invalid
 */
export function readProviders(file: string, env: Environment): Provider[] {
  if (!existsSync(file)) {
    if (file !== defaultOf('PROVIDERS_FILE')) throw new ConfigError(`PROVIDERS_FILE: there is no file ${file}`);
    return [];
  }
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

/** The cost of these tokens in millionths of a dollar. A price per million tokens equals the millionths per token. */
export function costMicros(provider: Provider, inputTokens: number, outputTokens: number): number {
  return Math.ceil(inputTokens * provider.inputPrice + outputTokens * provider.outputPrice);
}

/** Tokens that the chat format adds to a prompt. */
const WRAPPING_TOKENS = 32;

/** The maximum number of tokens of a prompt: byte-level tokenizers never produce more tokens than bytes. */
export function mostInputTokens(prompt: string): number {
  return Buffer.byteLength(prompt) + WRAPPING_TOKENS;
}
