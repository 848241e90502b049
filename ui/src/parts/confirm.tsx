// Owns the question before something is gone for good. Must not know what it is.
import { useRef, type ReactNode } from 'react';
import '../style/confirm.css';

interface ConfirmProps {
  /** On the button that asks, and on the one that does it. */
  label: string;
  title: string;
  busy: boolean;
  onYes: () => void;
  children: ReactNode;
}

export function Confirm({ label, title, busy, onYes, children }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = (): void => dialog.current?.close();
  return (
    <>
      <button
        type="button"
        className="button small"
        disabled={busy}
        onClick={() => dialog.current?.showModal()}
      >
        {label}
      </button>
      <dialog ref={dialog} className="confirm" aria-label={title}>
        <h2>{title}</h2>
        {children}
        <div className="row">
          <button
            type="button"
            className="button danger"
            onClick={() => {
              close();
              onYes();
            }}
          >
            {label}
          </button>
          <button type="button" className="button" onClick={close}>
            Keep
          </button>
        </div>
      </dialog>
    </>
  );
}
