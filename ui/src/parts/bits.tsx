// Owns the small visible parts every page uses: skeletons, notices, badges, empty states, the bar.
// Must not know the API.
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Problem } from '../api/problem';
import { sentence } from './format';

export function Skeleton({ lines = 3, label = 'Loading' }: { lines?: number; label?: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} style={{ width: `${[92, 76, 84, 58][i % 4]}%` }} />
      ))}
    </div>
  );
}

export function Badge({ tone, children }: { tone: string; children: ReactNode }) {
  return <span className={`badge badge-${tone}`}>{children}</span>;
}

export function Notice({
  tone = 'bad',
  title,
  children,
}: {
  tone?: 'bad' | 'calm' | 'warn' | 'good';
  title: string;
  children?: ReactNode;
}) {
  return (
    <div className={`notice notice-${tone}`} role={tone === 'bad' ? 'alert' : 'note'}>
      <strong>
        <Said text={title} />
      </strong>
      {children}
    </div>
  );
}

/** A sentence of the server or the author, in which names stand in back-ticks. */
export function Said({ text }: { text: string }) {
  return sentence(text)
    .split('`')
    .map((part, i) => (i % 2 ? <code key={i}>{part}</code> : <span key={i}>{part}</span>));
}

/** A whole page that cannot be shown. What is not there is no alarm, and there is a way on. */
export function PageProblem({ problem, again }: { problem: Problem; again?: () => void }) {
  if (problem.status !== 404) return <ProblemNotice problem={problem} again={again} />;
  return (
    <Empty title="There is nothing here">
      <p role="alert">
        <Said text={problem.message} />
      </p>
      <p>
        The link may be old, or what it named was deleted. <Link href="/">All models</Link>
      </p>
    </Empty>
  );
}

export function ProblemNotice({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <Notice title={problem.message}>
      {problem.hint && (
        <p>
          <Said text={problem.hint} />
        </p>
      )}
      {problem.requestId && <p className="fine">Request {problem.requestId}</p>}
      {again && problem.retryable && (
        <button type="button" className="button small" onClick={again}>
          Try again
        </button>
      )}
    </Notice>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A bar that knows how far it is, or honestly only that it moves. */
export function Bar({ done, total, label }: { done?: number; total?: number | null; label: string }) {
  const known = total !== null && total !== undefined && total > 0 && done !== undefined;
  const percent = known ? Math.min(100, (100 * done) / total) : undefined;
  return (
    <div
      className={known ? 'bar' : 'bar bar-open'}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent === undefined ? undefined : Math.round(percent)}
    >
      <span style={percent === undefined ? undefined : { width: `${percent}%` }} />
    </div>
  );
}
