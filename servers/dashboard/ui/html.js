// Markup in template literals. Inserted values become text or attribute values, never markup.
import htm from 'htm';
import { h } from 'preact';

const build = htm.bind(h);
const spaced = new WeakMap();

/**
 * Turns a line break in a template into a space, as HTML does. With htm alone, the space between the words would be
 * lost.
 */
export function html(strings, ...values) {
  let parts = spaced.get(strings);
  if (parts === undefined) {
    const whole = strings.map((part) => part.replace(/\s*\n\s*/g, '\n'));
    whole[0] = whole[0].replace(/^\n/, '');
    whole[whole.length - 1] = whole.at(-1).replace(/\n$/, '');
    parts = whole.map((part) => part.replaceAll('\n', ' '));
    spaced.set(strings, parts);
  }
  return build(parts, ...values);
}
