// Owns the Runs tab: the history of one model, by status. Must not know how a run is shown.
import { useState } from 'react';
import { Link } from 'wouter';
import { predictions } from '../api/calls';
import type { Model, Prediction } from '../api/types';
import { Badge, Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { ago, between, count, duration, fullTime, sentence, summary } from '../parts/format';
import { isRows, isScores, kindOf, topScore } from '../output/kind';
import { useNow } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import { isFinal } from '../run/view';
import { reasonWords, sourceWords, STATUS_WORDS } from '../run/words';
import '../style/lists.css';

const REFRESH_BUSY_MS = 2_000;
const REFRESH_CALM_MS = 20_000;

const FILTERS = [
  { value: '', label: 'All' },
  { value: 'succeeded', label: 'Done' },
  { value: 'starting', label: 'Waiting' },
  { value: 'processing', label: 'Running' },
  { value: 'failed', label: 'Failed' },
  { value: 'canceled', label: 'Canceled' },
];

export const toneOf = (status: string): string =>
  ({ succeeded: 'good', failed: 'bad', processing: 'wait', starting: 'wait' })[status] ?? 'calm';

export default function Runs({ model }: { model: Model }) {
  const [status, setStatus] = useState('');
  const path = `${model.owner}/${model.name}`;
  const list = useListed(['runs', path, status], predictions({ model: path, status }), {
    refreshMs: (runs) => (runs.some((r) => !isFinal(r.status)) ? REFRESH_BUSY_MS : REFRESH_CALM_MS),
  });
  return (
    <section aria-label="Runs">
      <div className="chips" role="group" aria-label="Show runs by status">
        {FILTERS.map((f) => (
          <button
            key={f.value}
            type="button"
            className="chip"
            aria-pressed={status === f.value}
            onClick={() => setStatus(f.value)}
          >
            {f.label}
          </button>
        ))}
      </div>
      {list.problem && !list.loaded && <ProblemNotice problem={list.problem} again={list.again} />}
      {!list.loaded && !list.problem && <Skeleton lines={6} />}
      {list.loaded && list.rows.length === 0 && (
        <Empty title={status ? 'None of this kind' : 'No runs yet'}>
          {!status && (
            <p>
              <Link href={`/m/${path}`}>Try the model</Link>: every run is kept here with its input and
              output.
            </p>
          )}
        </Empty>
      )}
      {list.rows.length > 0 && <RunsTable rows={list.rows} />}
      <More list={list} />
    </section>
  );
}

function RunsTable({ rows }: { rows: Prediction[] }) {
  const now = useNow(15_000);
  return (
    <ul className="rows">
      {rows.map((run) => (
        <li key={run.id}>
          <Link href={`/runs/${run.id}`} className="rows-item">
            <Badge tone={toneOf(run.status)}>{STATUS_WORDS[run.status] ?? run.status}</Badge>
            <span className="rows-main rows-run">
              <Given input={run.input ?? {}} />
              <span className="rows-output">{outcome(run)}</span>
            </span>
            <span
              className="rows-side"
              title={`${fullTime(run.created_at)}, from ${sourceWords(run.source)}`}
            >
              {ago(run.created_at, now)}
            </span>
            <span className="rows-side">{took(run)}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

type Input = Record<string, unknown>;

/** The name of the input that is a picture: it says which run this was better than words. */
const pictured = (input: Input): string | undefined =>
  Object.keys(input).find((key) => /^data:image\//.test(String(input[key])));

function Given({ input }: { input: Input }) {
  const key = pictured(input);
  const rest = Object.fromEntries(Object.entries(input).filter(([name]) => name !== key));
  const words = summary(rest, 110) || (key ? '' : 'no input');
  return (
    <>
      {key && <img src={String(input[key])} alt={key} className="rows-picture" />}
      {words && <span className="rows-input">{words}</span>}
    </>
  );
}

/** What came out, in a few words. */
function outcome(run: Prediction): string {
  const { output } = run;
  if (run.status === 'failed')
    return sentence(
      run.reason === 'user_error' && run.error ? run.error : reasonWords(run.reason, run.status),
    );
  if (run.status !== 'succeeded') return '';
  if (output === null || output === undefined) return 'nothing';
  if (isScores(output) && Object.keys(output).length) return topScore(output);
  if (isRows(output)) return count(output.length, 'row');
  if (kindOf({}, output) === 'plot') return 'a plot';
  if (Array.isArray(output) && output.every(isPiece)) return summary(output.join(''), 90);
  return summary(output, 90);
}

/** A piece of streamed text, not a file. */
const isPiece = (piece: unknown): boolean => typeof piece === 'string' && !piece.startsWith('data:');

const took = (run: Prediction): string =>
  typeof run.metrics?.predict_time === 'number'
    ? duration(run.metrics.predict_time)
    : between(run.started_at ?? run.created_at, run.completed_at);
