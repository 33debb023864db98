// Log lines, the newest at the end. The list stays at its end until the reader scrolls up, or presses the mouse in it, for
// example to select text.
import { useLayoutEffect, useRef } from 'preact/hooks';
import { keyOf } from '../model/followed-logs.ts';
import { html } from './html.js';
import { LogLine } from './log-line.js';

/** Pixels from the end within which the list counts as scrolled to its end. */
const NEAR = 32;

/** Without the event, the end of a scroll is not known, and each step counts as the reader's. */
const SAYS_SCROLL_END = 'onscrollend' in globalThis;

/** @param onPause called with true when the list is to stand still, and with false when the reader scrolls to its end */
export function LogList({ lines, isPaused, onPause }) {
  const list = useRef(null);
  const isNew = useRef(true);
  /** Where this component has scrolled to: the event for that comes later, and is not one of the reader. */
  const placedAt = useRef(undefined);
  const isScrolling = useRef(false);
  /** Browsers scroll in steps for a key or a wheel, and go on with them after the list was placed at its end. */
  const isCalledBack = useRef(false);
  const placeAtEnd = () => {
    list.current.scrollTop = list.current.scrollHeight;
    placedAt.current = list.current.scrollTop;
    isCalledBack.current = isScrolling.current;
  };
  useLayoutEffect(() => {
    if (!isPaused || isNew.current) placeAtEnd();
    isNew.current = false;
  }, [lines, isPaused]);
  const onScroll = ({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
    if (scrollTop === placedAt.current) return;
    if (isCalledBack.current && !isPaused) return placeAtEnd();
    placedAt.current = undefined;
    isScrolling.current = SAYS_SCROLL_END;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - NEAR;
    if (isAtEnd === isPaused) onPause(!isAtEnd);
  };
  const onScrollEnd = () => {
    isScrolling.current = false;
    isCalledBack.current = false;
  };
  return html`
    <ol
      class="log lines"
      ref=${list}
      tabindex="0"
      aria-label="Log lines"
      onScroll=${onScroll}
      onScrollEnd=${onScrollEnd}
      onPointerDown=${() => onPause(true)}
    >
      ${lines.map(({ line, at, instance, seq }) => html`<${LogLine} key=${keyOf({ instance, seq })} line=${line} at=${at} instance=${instance} />`)}
    </ol>
  `;
}
