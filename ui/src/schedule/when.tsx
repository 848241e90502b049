// Owns when the ticks of a schedule are, as a person says it, and what the server reads in that. Must not know
// what is scheduled.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useState } from 'react';
import { previewSchedule, type ScheduleWhen } from '../api/calls';
import { asProblem } from '../api/problem';
import { Said } from '../parts/bits';
import { sentence } from '../parts/format';
import { tickTime } from './words';

const SETTLED_MS = 350;
const COMMON = [
  { cron: '0 * * * *', label: 'Every hour' },
  { cron: '30 6 * * *', label: 'Every day' },
  { cron: '30 6 * * mon-fri', label: 'Monday to Friday' },
  { cron: '30 6 * * mon', label: 'Every week' },
  { cron: '30 6 1 * *', label: 'Every month' },
];

export const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
export const FIRST_WHEN: ScheduleWhen = { cron: '30 6 * * *', timezone: OWN_ZONE };

export function When({ value, onChange }: { value: ScheduleWhen; onChange: (when: ScheduleWhen) => void }) {
  const id = useId();
  const byClock = value.every === undefined;
  return (
    <fieldset className="group when">
      <legend>When</legend>
      <div className="chips" role="group" aria-label="How often">
        {COMMON.map(({ cron, label }) => (
          <button
            key={cron}
            type="button"
            className="chip"
            aria-pressed={byClock && value.cron === cron}
            onClick={() => onChange({ cron, timezone: value.timezone ?? OWN_ZONE })}
          >
            {label}
          </button>
        ))}
        <button
          type="button"
          className="chip"
          aria-pressed={!byClock}
          onClick={() => onChange({ every: '2h' })}
        >
          At even intervals
        </button>
      </div>
      {byClock ? (
        <div className="when-fields">
          <div className="stack-tight">
            <label htmlFor={`${id}-cron`}>Cron expression</label>
            <input
              id={`${id}-cron`}
              className="input when-cron"
              value={value.cron ?? ''}
              autoComplete="off"
              spellCheck={false}
              aria-describedby={`${id}-help ${id}-said`}
              onChange={(e) => onChange({ ...value, cron: e.target.value })}
            />
            <span className="fine" id={`${id}-help`}>
              Minute, hour, day, month, weekday
            </span>
          </div>
          <div className="stack-tight">
            <label htmlFor={`${id}-zone`}>Time zone</label>
            <input
              id={`${id}-zone`}
              className="input"
              value={value.timezone ?? ''}
              autoComplete="off"
              list={`${id}-zones`}
              placeholder="UTC"
              onChange={(e) => onChange({ ...value, timezone: e.target.value || undefined })}
            />
            <datalist id={`${id}-zones`}>
              {Intl.supportedValuesOf('timeZone').map((zone) => (
                <option key={zone} value={zone} />
              ))}
            </datalist>
          </div>
        </div>
      ) : (
        <div className="stack-tight">
          <label htmlFor={`${id}-every`}>The time between two</label>
          <input
            id={`${id}-every`}
            className="input when-every"
            value={value.every}
            autoComplete="off"
            aria-describedby={`${id}-every-help ${id}-said`}
            onChange={(e) => onChange({ every: e.target.value })}
          />
          <span className="fine" id={`${id}-every-help`}>
            Like <code>30m</code>, <code>2h</code> or <code>7d</code>
          </span>
        </div>
      )}
      <div id={`${id}-said`}>
        <Ticks when={value} />
      </div>
    </fieldset>
  );
}

/** What the server understands, a moment after the last key. */
function Ticks({ when }: { when: ScheduleWhen }) {
  const settled = useSettled(when);
  const told = useQuery({
    queryKey: ['ticks', settled],
    queryFn: () => previewSchedule(settled),
    placeholderData: (before) => before,
    retry: false,
  });
  if (told.error) {
    const problem = asProblem(told.error);
    return (
      <p className="field-error" role="alert">
        <Said text={problem.hint ?? problem.message} />
      </p>
    );
  }
  if (!told.data) return <p className="fine">Looking…</p>;
  const { said, timezone, next } = told.data;
  return (
    <div className="ticks" role="status">
      <strong>
        {sentence(said)}
        {timezone && ` (${timezone})`}
      </strong>
      <span className="fine">Next: {next.map((time) => tickTime(time, timezone)).join(' · ')}</span>
    </div>
  );
}

function useSettled(when: ScheduleWhen): ScheduleWhen {
  const [settled, setSettled] = useState(when);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(when), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [when]);
  return settled;
}
