// Asks before something is done that cannot be undone. The question says what it will affect.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

/**
 * @returns [ask, dialog]: `ask({ title, text, action })` resolves to whether the viewer agreed; render `dialog`
 * somewhere in the component
 */
export function useConfirm() {
  const [question, setQuestion] = useState(undefined);
  const ask = useCallback((asked) => new Promise((resolve) => setQuestion({ ...asked, resolve })), []);
  const close = (isAgreed) => {
    question.resolve(isAgreed);
    setQuestion(undefined);
  };
  return [ask, question && html`<${ConfirmDialog} ...${question} onClose=${close} />`];
}

function ConfirmDialog({ title, text, action, onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  // Escape closes the dialog without a form, so the return value is empty. The first button has the focus: it cancels.
  const closed = () => onClose(dialog.current.returnValue === 'agreed');
  return html`
    <dialog ref=${dialog} onClose=${closed} aria-labelledby="confirm-title">
      <h2 id="confirm-title">${title}</h2>
      <p>${text}</p>
      <form method="dialog" class="confirm">
        <button value="">Cancel</button>
        <button value="agreed" class="danger">${action}</button>
      </form>
    </dialog>
  `;
}
