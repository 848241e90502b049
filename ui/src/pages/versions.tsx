// Owns the Versions tab for owners: which is live, what became of the others, make live and roll back.
// Must not know how versions are built.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { promote, rollback, versionLogs, versions } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Version } from '../api/types';
import { Badge, Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { ago, fullTime } from '../parts/format';
import { useNow } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import { toast, toastError } from '../parts/toasts';
import { Aliases } from './aliases';
import { Compare } from '../train/compare';
import { Origin } from '../train/origin';
import '../style/lists.css';

const REFRESH_BUILDING_MS = 1_500;

export default function Versions({ model }: { model: Model }) {
  const queries = useQueryClient();
  const pages = useListed(['versions', model.owner, model.name], versions(model.owner, model.name), {
    refreshMs: (rows) => (rows.some((v) => v.state === 'building') ? REFRESH_BUILDING_MS : false),
  });
  const change = useMutation({
    mutationFn: (id: string | null) =>
      id ? promote(model.owner, model.name, id) : rollback(model.owner, model.name),
    onSuccess: (next) => {
      toast(`Version ${next.live_version_number ?? ''} is live now.`);
      void queries.invalidateQueries({ queryKey: ['versions', model.owner, model.name] });
      void queries.invalidateQueries({ queryKey: ['model', model.owner, model.name] });
    },
    onError: toastError,
  });
  if (pages.problem && !pages.loaded) return <ProblemNotice problem={pages.problem} again={pages.again} />;
  if (!pages.loaded) return <Skeleton lines={5} />;
  const list = pages.rows;
  if (!list.length) {
    return (
      <Empty title="No versions">
        <p>
          <code>onstage push</code> in the model&apos;s folder makes the first one.
        </p>
      </Empty>
    );
  }
  return (
    <section className="stack" aria-label="Versions">
      <div className="row row-ends">
        <span className="fine">
          Every push and every training makes a version. One is live; the others can be made live at any time.
        </span>
        {list.filter((v) => v.state === 'ready').length > 1 && (
          <button
            type="button"
            className="button small"
            disabled={change.isPending}
            onClick={() => change.mutate(null)}
          >
            Roll back to the previous one
          </button>
        )}
      </div>
      <ul className="versions">
        {list.map((v) => (
          <VersionRow
            key={v.id}
            version={v}
            model={model}
            busy={change.isPending}
            onPromote={() => change.mutate(v.id)}
          />
        ))}
      </ul>
      <More list={pages} />
      <Compare model={model} list={list} />
    </section>
  );
}

function VersionRow(props: { version: Version; model: Model; busy: boolean; onPromote: () => void }) {
  const { version } = props;
  const now = useNow(30_000);
  return (
    <li className={version.live ? 'version version-live' : 'version'}>
      <div className="version-head">
        <strong className="version-name">{version.name || `v${version.number}`}</strong>
        {version.live && <Badge tone="good">Live</Badge>}
        {version.state === 'building' && <Badge tone="wait">{version.phase || 'Building'}</Badge>}
        {version.state === 'failed' && <Badge tone="bad">Failed</Badge>}
        {version.withdrawn && <Badge tone="bad">Withdrawn</Badge>}
        <span className="fine" title={fullTime(version.created_at)}>
          {ago(version.created_at, now)}
        </span>
        <code className="fine">{version.id.slice(0, 10)}</code>
        <Aliases version={version} model={props.model} />
        {version.state === 'ready' && !version.live && (
          <button type="button" className="button small" disabled={props.busy} onClick={props.onPromote}>
            Make live
          </button>
        )}
      </div>
      {version.state === 'building' && version.text && <p className="fine">{version.text}</p>}
      {version.withdrawn && (
        <p className="field-error" title={fullTime(version.withdrawn.at)}>
          {version.withdrawn.why}
        </p>
      )}
      {version.error && (
        <>
          <p className="field-error">{version.error.message}</p>
          {version.error.traceback && (
            <details className="fold">
              <summary>Traceback</summary>
              {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
              <pre tabIndex={0}>{version.error.traceback}</pre>
            </details>
          )}
        </>
      )}
      <Origin version={version} />
      <BuildLog version={version} model={props.model} />
    </li>
  );
}

function BuildLog({ version, model }: { version: Version; model: Model }) {
  const [open, setOpen] = useState(false);
  const query = useQuery({
    queryKey: ['buildlog', version.id, version.state],
    queryFn: () => versionLogs(model.owner, model.name, version.id),
    enabled: open,
    refetchInterval: version.state === 'building' ? REFRESH_BUILDING_MS : false,
  });
  return (
    <details className="fold" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>Build and setup log</summary>
      {query.error && <p className="fine">{asProblem(query.error).message}</p>}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      {query.data !== undefined && <pre tabIndex={0}>{query.data || 'Nothing was written.'}</pre>}
    </details>
  );
}
