/** A value that travels with the message that outdates its predecessor. */
import { encodeValue } from '../value-codec.js';
import type { CoordinationMessage } from './messages.js';

/** Bytes of a value that travels with its message; of a larger one only the invalidation does. */
const MAX_VALUE = 128 * 1024;
const COMPRESSED_FROM = 1024;

/** The value as text. If it is too large or cannot be cloned, only the invalidation is sent. */
export function encodeForTransport(value: unknown): CoordinationMessage['value'] {
  try {
    const { data, format } = encodeValue(value, COMPRESSED_FROM);
    const bytes = Buffer.from(data);
    return bytes.length > MAX_VALUE ? undefined : { data: bytes.toString('base64'), format };
  } catch {
    return undefined;
  }
}
