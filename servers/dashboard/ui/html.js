// Markup in template literals. Whatever is put into it becomes text or an attribute's value, never markup.
import htm from 'htm';
import { h } from 'preact';

const build = htm.bind(h);
const spaced = new WeakMap();

/** A line break in a template is a space, as in HTML; htm alone would take it, and the space between words, away. */
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
