// The field that filters a list by text. The key `/` leads to it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

/** Milliseconds without a further key after which the typed text filters. */
const TYPING_MS = 300;

/**
 * What is typed is not overwritten by an older text from the address.
 *
 * @param onText called when the reader has stopped typing
 */
export function TextFilter({ text, describedBy, onText }) {
  const [typed, setTyped] = useState(text);
  const sent = useRef(text);
  const timer = useRef(undefined);
  useEffect(() => {
    if (text === sent.current) return;
    sent.current = text;
    setTyped(text);
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onInput = ({ currentTarget: { value } }) => {
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      sent.current = value;
      onText(value);
    }, TYPING_MS);
  };
  return html`<label class="wide"
    >Filter
    <input
      type="search"
      data-search
      value=${typed}
      onInput=${onInput}
      maxlength="200"
      aria-describedby=${describedBy}
      spellcheck=${false}
  /></label>`;
}
