// Owns the short messages that appear at the edge and go by themselves. Must not know what went wrong.
import { useSyncExternalStore } from 'react';
import { asProblem } from '../api/problem';

const SHOWN_MS = 8000;
const TOASTS_MAX = 4;

interface Toast {
  id: number;
  text: string;
  more?: string;
  tone: 'good' | 'bad';
}

let toasts: Toast[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function set(next: Toast[]): void {
  toasts = next.slice(-TOASTS_MAX);
  listeners.forEach((listener) => listener());
}

export function toast(text: string, tone: Toast['tone'] = 'good', more?: string): void {
  const id = nextId++;
  set([...toasts, { id, text, tone, more }]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** An error with the request id, so that somebody can find it in the logs. */
export function toastError(error: unknown): void {
  const problem = asProblem(error);
  const more = [problem.hint, problem.requestId && `Request ${problem.requestId}`]
    .filter(Boolean)
    .join(' · ');
  if (problem.status !== 401) toast(problem.message, 'bad', more || undefined);
}

const dismiss = (id: number): void => set(toasts.filter((t) => t.id !== id));

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="region" aria-label="Messages" aria-live="polite">
      {shown.map((t) => (
        <div key={t.id} className={`toast toast-${t.tone}`}>
          <div>
            <p>{t.text}</p>
            {t.more && <p className="fine">{t.more}</p>}
          </div>
          <button type="button" className="ghost" aria-label="Dismiss" onClick={() => dismiss(t.id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
