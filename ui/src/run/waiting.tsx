// Owns what is shown while one waits: what happens now, how far it is, how long it may take, how to stop it.
// Must not know the form.
import { Bar } from '../parts/bits';
import { duration, number, sentence } from '../parts/format';
import { useNow } from '../parts/hooks';
import { Link } from 'wouter';
import { Logs } from './logs';
import type { RunView } from './view';
import { detailWords, phaseWords, queueWords } from './words';

export function Waiting({
  view,
  onCancel,
  background = false,
  linked = true,
}: {
  view: RunView;
  onCancel: () => void;
  background?: boolean;
  linked?: boolean;
}) {
  const now = useNow(1000);
  const seconds = Math.max(0, (now - view.startedAt) / 1000);
  const computing = view.runningAt ? Math.max(0, (now - view.runningAt) / 1000) : 0;
  const { progress } = view;
  const total = progress?.total ?? null;
  const said = detailWords(view.phase, view.phaseText);
  const place = queueWords(view.queue);
  const detail = [said, place].filter(Boolean).join(' · ') || sentence(progress?.text ?? '');
  return (
    <section className="waiting" aria-label="Progress">
      <div className="waiting-head">
        <div role="status" aria-live="polite">
          <strong>{phaseWords(view.phase)}</strong>
          {detail && <span className="waiting-detail">{detail}</span>}
        </div>
        <button
          type="button"
          className="button small"
          onClick={onCancel}
          disabled={view.phase === 'canceling'}
        >
          Cancel
        </button>
      </div>
      <Bar done={progress?.done} total={total} label={phaseWords(view.phase)} />
      <p className="fine waiting-foot">
        <span>
          {total
            ? `${number(progress?.done ?? 0)} of ${number(total)}`
            : progress
              ? number(progress.done)
              : ''}
          {total && progress ? etaWords(progress.done, total, computing, progress.eta_s) : ''}
        </span>
        <span className="waiting-time">
          {linked && view.id && seconds >= 2 && (
            <Link href={`/runs/${view.id}`} className="link">
              Open this run
            </Link>
          )}{' '}
          {seconds >= 1 ? duration(Math.floor(seconds)) : ''}
        </span>
      </p>
      {background && (
        <p className="fine">
          {linked
            ? 'You may leave this page: the work goes on, and the result is kept under Runs.'
            : 'You may leave this page: the work goes on, and the result stays here.'}
        </p>
      )}
      <Logs lines={view.logs} live />
    </section>
  );
}

/** A guess only when there is something to guess from. */
export function etaWords(done: number, total: number, seconds: number, told?: number | null): string {
  const left = told ?? (done > 0 && seconds > 3 ? (seconds * (total - done)) / done : null);
  return left !== null && left > 0.5 ? `, about ${duration(Math.ceil(left))} left` : '';
}
