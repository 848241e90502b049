// Owns the list of schedules: when each comes next, what became of the last, and what one can do about it.
// Must not know how one is made.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { deleteSchedule, pauseSchedule, runSchedule, schedules } from '../api/calls';
import type { Schedule } from '../api/types';
import { Badge, ProblemNotice, Said, Skeleton } from '../parts/bits';
import { Confirm } from '../parts/confirm';
import { ago, fullTime, sentence, summary } from '../parts/format';
import { useNow } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import { toast, toastError } from '../parts/toasts';
import { jobPage, KIND_WORDS, lastWords, requested, scheduled, tickTime } from './words';
import '../style/lists.css';
import '../style/run.css';
import '../style/schedule.css';

const REFRESH_MS = 5_000;

/** Of one model, or all of them; `children` stand in for none. */
export function Schedules({ model, children }: { model?: string; children: ReactNode }) {
  const list = useListed(['schedules', model ?? ''], schedules(model), { refreshMs: () => REFRESH_MS });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.loaded) return <Skeleton lines={4} />;
  if (!list.rows.length) return children;
  return (
    <>
      <ul className="versions" aria-label="Schedules">
        {list.rows.map((one) => (
          <Row key={one.id} schedule={one} named={!model} />
        ))}
      </ul>
      <More list={list} />
    </>
  );
}

function useChange() {
  const queries = useQueryClient();
  return useMutation({
    // Answers what is said of it: nothing where the row itself shows it.
    mutationFn: (work: () => Promise<string>) => work(),
    onSuccess: (said) => said && toast(said),
    onError: toastError,
    onSettled: () => void queries.invalidateQueries({ queryKey: ['schedules'] }),
  });
}

function Row({ schedule, named }: { schedule: Schedule; named: boolean }) {
  const { id, model, kind, paused, next_at: next, timezone } = schedule;
  const { mutate, isPending } = useChange();
  const title = `${KIND_WORDS[kind]} ${schedule.said}`;
  return (
    <li className="version" aria-label={title}>
      <div className="version-head">
        <strong>{sentence(schedule.said)}</strong>
        {timezone && <span className="fine">{timezone}</span>}
        {paused ? <Badge tone="calm">Paused</Badge> : <Badge tone="good">On</Badge>}
        <div className="row schedule-verbs">
          <button
            type="button"
            className="button small"
            disabled={isPending}
            onClick={() => mutate(() => runSchedule(id).then(() => `${KIND_WORDS[kind]} is made now.`))}
          >
            Run now
          </button>
          <button
            type="button"
            className="button small"
            disabled={isPending}
            onClick={() => mutate(() => pauseSchedule(id, !paused).then(() => ''))}
          >
            {paused ? 'Resume' : 'Pause'}
          </button>
          <Confirm
            label="Delete"
            title="Delete this schedule?"
            busy={isPending}
            onYes={() => mutate(() => deleteSchedule(id).then(() => 'The schedule is deleted.'))}
          >
            <p>
              {sentence(schedule.said)}: {KIND_WORDS[kind].toLowerCase()} of {model}. The jobs that it made
              stay.
            </p>
          </Confirm>
        </div>
      </div>
      <dl className="facts">
        {named && (
          <div>
            <dt>Model</dt>
            <dd>
              <Link href={`/m/${model}/schedule`}>{scheduled(schedule)}</Link>
            </dd>
          </div>
        )}
        <div>
          <dt>What</dt>
          <dd>
            {KIND_WORDS[kind]}
            {!named && schedule.version && ` of version ${schedule.version}`}:{' '}
            {summary(requested(schedule), 160)}
          </dd>
        </div>
        {next && (
          <div>
            <dt>Next</dt>
            <dd>{tickTime(next, timezone)}</dd>
          </div>
        )}
        {schedule.paused_because && (
          <div>
            <dt>Paused because</dt>
            <dd>
              <Said text={schedule.paused_because} />
            </dd>
          </div>
        )}
        <div>
          <dt>Last</dt>
          <dd>
            <Last schedule={schedule} />
          </dd>
        </div>
      </dl>
    </li>
  );
}

function Last({ schedule }: { schedule: Schedule }) {
  const now = useNow(15_000);
  const { last, last_job: job, kind } = schedule;
  const bad = last?.outcome === 'refused' || last?.outcome === 'denied';
  return (
    <>
      <span className={bad ? 'field-error' : undefined}>
        <Said text={lastWords(schedule)} />
      </span>
      {last && <span title={fullTime(last.at)}> {ago(last.at, now)}</span>}
      {job && (
        <>
          {' · '}
          <Link href={jobPage(kind, job)}>
            {last?.job === job ? 'Look at it' : 'The last one that was made'}
          </Link>
        </>
      )}
    </>
  );
}
