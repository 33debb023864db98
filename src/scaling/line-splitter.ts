/** Splits the output of a process into lines. A line that is too long is cut, so that memory is bounded. */
import { StringDecoder } from 'node:string_decoder';

/** Longest line in characters. The rest of a longer line follows as further lines. */
const MAX_LINE = 16_384;

/**
 * Returns a function that takes chunks and calls `onLine` for each complete line. Call it with undefined at the end.
 */
export function splitLines(onLine: (line: string) => void): (chunk: Buffer | undefined) => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return (chunk) => {
    rest += chunk === undefined ? decoder.end() : decoder.write(chunk);
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    while (rest.length > MAX_LINE) {
      lines.push(rest.slice(0, MAX_LINE));
      rest = rest.slice(MAX_LINE);
    }
    if (chunk === undefined && rest !== '') lines.push(rest);
    for (const line of lines) onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
  };
}
