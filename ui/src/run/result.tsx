// Owns one finished or streaming run on the screen: output, failure told kindly, facts and what to do next.
// Must not know how it was started.
import { Link } from 'wouter';
import { at } from '../app/base';
import { useAccount } from '../app/session';
import type { Prediction, Schema } from '../api/types';
import { joinChunks, deref } from '../output/kind';
import { Output } from '../output/output';
import { Notice } from '../parts/bits';
import { between, duration } from '../parts/format';
import { copy } from '../parts/hooks';
import { AgainIcon, LinkIcon } from '../parts/icons';
import { FeedbackBox } from './feedback';
import { Logs } from './logs';
import { isFinal, type RunView } from './view';
import { reasonWords, shortCode } from './words';

export interface ResultProps {
  view: RunView;
  schemas: Record<string, Schema>;
  ask: string[];
  onAgain?: () => void;
  /** The permalink page shows logs by itself. */
  withLogs?: boolean;
}

export function Result({ view, schemas, ask, onAgain, withLogs = true }: ResultProps) {
  const { record } = view;
  const name = (record?.model ?? 'result').split('/').pop() ?? 'result';
  if (!record || !isFinal(record.status)) return <Streaming view={view} schemas={schemas} name={name} />;
  return (
    <article className="result" aria-label="Result">
      {record.status === 'succeeded' ? (
        <Output value={record.output} schema={schemas.Output} schemas={schemas} name={name} />
      ) : (
        <Failure record={record} />
      )}
      <Facts record={record} onAgain={onAgain} linked={withLogs} />
      {withLogs && <Logs lines={view.logs} />}
      {record.status !== 'canceled' && <FeedbackBox key={record.id} record={record} ask={ask} />}
    </article>
  );
}

function Streaming({
  view,
  schemas,
  name,
}: {
  view: RunView;
  schemas: Record<string, Schema>;
  name: string;
}) {
  if (!view.chunks.length) return null;
  const schema = deref(schemas.Output, schemas);
  const value = joinChunks(schema, view.chunks);
  return (
    <div className="result" aria-busy="true">
      {typeof value === 'string' ? (
        <p className="out-text out-lead caret">{value}</p>
      ) : (
        <Output value={value} schema={schema} schemas={schemas} name={name} />
      )}
    </div>
  );
}

/** The author's own words when they were meant for people; otherwise an apology with a code. */
export function Failure({ record }: { record: Prediction }) {
  const owner = useAccount()?.role === 'owner';
  if (record.status === 'canceled') {
    return <Notice tone="calm" title="This run was canceled." />;
  }
  const told = record.reason === 'user_error' || record.reason === 'bad_input';
  return (
    <div className="stack">
      <Notice
        tone={told ? 'warn' : 'bad'}
        title={told && record.error ? record.error : reasonWords(record.reason, record.status)}
      >
        {!told && owner && record.error && <p className="notice-error">{record.error}</p>}
        {!told && (
          <p>
            {owner ? 'People who see this get the code' : 'Sorry. The author can find out why with the code'}{' '}
            <code>{shortCode(record.id)}</code>
            {owner ? ' to tell you.' : '.'}
          </p>
        )}
      </Notice>
      {owner && record.traceback && (
        <details className="fold" open>
          <summary>Traceback</summary>
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
          <pre tabIndex={0}>{record.traceback}</pre>
        </details>
      )}
      {owner && !told && record.rerun && (
        <div className="stack-tight">
          <span className="fine">The same run from a terminal</span>
          <div className="command">
            <code>{record.rerun}</code>
            <button
              type="button"
              className="button small"
              onClick={() => void copy(record.rerun ?? '', 'Command')}
            >
              Copy
            </button>
          </div>
        </div>
      )}
    </div>
  );
}

function Facts({ record, onAgain, linked }: { record: Prediction; onAgain?: () => void; linked: boolean }) {
  const took = record.metrics?.predict_time;
  const time =
    took !== undefined && took !== null ? duration(took) : between(record.started_at, record.completed_at);
  return (
    <footer className="facts">
      <span>
        {time && <>Took {time}</>}
        {record.version_number ? <> · version {record.version_number}</> : null}
      </span>
      <span className="facts-actions">
        {linked && (
          <Link href={`/runs/${record.id}`} className="link">
            Open this run
          </Link>
        )}
        <button
          type="button"
          className="ghost"
          title="Copy link"
          aria-label="Copy link to this run"
          onClick={() => void copy(new URL(at(`runs/${record.id}`), location.href).href, 'Link')}
        >
          <LinkIcon />
        </button>
        {onAgain && (
          <button type="button" className="ghost" title="Run again" aria-label="Run again" onClick={onAgain}>
            <AgainIcon />
          </button>
        )}
      </span>
    </footer>
  );
}
