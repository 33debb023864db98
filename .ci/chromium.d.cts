/** The path of the installed Chromium; undefined where none is installed. */
export declare function findChromium(): string | undefined;
/** @throws Error where none is installed */
export declare function requireChromium(): string;
