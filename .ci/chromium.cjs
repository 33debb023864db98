// Finds the Chromium of this machine, for the tests and for the pictures of the pages. CommonJS, because Jest loads it too.
const { spawnSync } = require('node:child_process');
const { env } = require('node:process');

/** The first is the same engine without a browser's own windows, which a headless Chromium draws too: a third less work. */
const PROGRAMS = [env.CHROMIUM, 'chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];

/** The path of the program; undefined where none is installed. */
exports.findChromium = function findChromium() {
  const found = PROGRAMS.map((name) => name && spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim());
  return found.find((path) => path !== undefined && path !== '');
};

/** The path of the program. */
exports.requireChromium = function requireChromium() {
  const path = exports.findChromium();
  if (path === undefined) throw new Error('no Chromium is installed: apt-get install chromium-headless-shell');
  return path;
};
