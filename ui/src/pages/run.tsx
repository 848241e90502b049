// Owns the permalink of one prediction: what went in, what came out, how it went. Must not know the form.
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link } from 'wouter';
import { model as getModel, version as getVersion } from '../api/calls';
import type { Prediction, Schema } from '../api/types';
import { ordered } from '../form/schema';
import { Output } from '../output/output';
import { Badge, PageProblem, ProblemNotice, Skeleton } from '../parts/bits';
import { ago, fullTime } from '../parts/format';
import { useNow, useTitle } from '../parts/hooks';
import { AgainIcon } from '../parts/icons';
import { Logs } from '../run/logs';
import { Result } from '../run/result';
import { useRun } from '../run/useRun';
import { isFinal } from '../run/view';
import { Waiting } from '../run/waiting';
import { shortCode, sourceWords, STATUS_WORDS } from '../run/words';
import { schemasOf } from './model';
import { toneOf } from './runs';
import '../style/model.css';
import '../style/run.css';

/** What stands where something was that the model does not keep. */
const NOT_KEPT = 'No longer kept: the model keeps this for a limited time.';

export default function RunPage({ id }: { id: string }) {
  const { view, problem, watch, cancel } = useRun();
  useEffect(() => watch(id), [watch, id]);
  const record = view?.record;
  const [owner = '', name = ''] = (record?.model ?? '').split('/');
  const model = useQuery({
    queryKey: ['model', owner, name],
    queryFn: () => getModel(owner, name),
    enabled: name !== '',
  });
  const version = useQuery({
    queryKey: ['version', record?.version],
    queryFn: () => getVersion(owner, name, record?.version ?? ''),
    enabled: name !== '' && Boolean(record?.version),
    staleTime: 60_000,
  });
  useTitle(record ? `Run ${shortCode(id)}` : 'Run', model.data?.title || name);
  if (problem && !record) return <PageProblem problem={problem} again={() => watch(id)} />;
  if (!view || !record) return <Skeleton lines={8} />;
  const schemas = schemasOf(version.data ?? model.data?.latest_version);
  const ready = version.isFetched || version.isError;
  return (
    <>
      <header className="page-head">
        <p className="crumbs">
          <Link href="/">Models</Link> <span aria-hidden="true">/</span>{' '}
          <Link href={`/m/${record.model}`}>{model.data?.title || record.model}</Link>{' '}
          <span aria-hidden="true">/</span> <Link href={`/m/${record.model}/runs`}>Runs</Link>
        </p>
        <div className="page-title">
          <h1>Run {shortCode(id)}</h1>
          <Badge tone={toneOf(view.status)}>{STATUS_WORDS[view.status] ?? 'Waiting'}</Badge>
        </div>
        <RunFacts record={record} />
      </header>
      {problem && <ProblemNotice problem={problem} again={() => watch(id)} />}
      <div className="try">
        <section className="panel" aria-label="Input">
          <h2>Input</h2>
          <InputValues record={record} schemas={schemas} />
          {!record.data_removed && (
            <Link href={`/m/${record.model}?from=${id}`} className="button small start">
              <AgainIcon /> Run again with changes
            </Link>
          )}
        </section>
        <section className="panel panel-result" aria-label="Output">
          <h2>Output</h2>
          {!isFinal(view.status) && (
            <Waiting view={view} onCancel={cancel} background={record.kind === 'background'} linked={false} />
          )}
          {record.data_removed && <p className="fine">{NOT_KEPT}</p>}
          {ready && !record.data_removed && (
            <Result
              view={view}
              schemas={schemas}
              ask={version.data?.config?.feedback?.ask ?? []}
              withLogs={false}
            />
          )}
          {isFinal(view.status) && <Logs lines={view.logs} open={view.status === 'failed'} />}
        </section>
      </div>
    </>
  );
}

function InputValues({ record, schemas }: { record: Prediction; schemas: Record<string, Schema> }) {
  const properties = schemas.Input?.properties ?? {};
  const known = ordered(schemas.Input ?? {}).filter((key) => key in record.input);
  const keys = [...known, ...Object.keys(record.input).filter((key) => !known.includes(key))];
  if (!keys.length) return <p className="fine">{record.data_removed ? NOT_KEPT : 'No input values.'}</p>;
  return (
    <dl className="out-record">
      {keys.map((key) => (
        <div key={key}>
          <dt>{properties[key]?.title ?? key}</dt>
          <dd>
            <Output
              value={record.input[key]}
              schema={properties[key]}
              schemas={schemas}
              name={key}
              depth={1}
            />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function RunFacts({ record }: { record: Prediction }) {
  const now = useNow(30_000);
  const source = sourceWords(record.source);
  return (
    <p className="fine">
      {fullTime(record.created_at)} ({ago(record.created_at, now)})
      {record.version_number ? ` · version ${record.version_number}` : ''}
      {source ? ` · from ${source}` : ''} · <span className="run-id">{record.id}</span>
    </p>
  );
}
