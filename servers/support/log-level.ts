/** The levels of log lines, least severe first. */
export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export type Level = (typeof LEVELS)[number];

export function levelOf(name: string | undefined): Level | undefined {
  return LEVELS.find((level) => level === name);
}

export function isAtLeast(level: Level, least: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least);
}

/** Whether lines of this level are warnings or errors. */
export function isNotable(level: Level | undefined): boolean {
  return level !== undefined && isAtLeast(level, 'warn');
}
