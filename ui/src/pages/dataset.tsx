// Owns the page of one dataset: its versions, the first rows of one, download, delete, a new version. Must not
// know who trains with it.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { at } from '../app/base';
import {
  dataset as getDataset,
  datasetContentPath,
  datasetVersions,
  deleteDataset,
  deleteDatasetVersion,
} from '../api/calls';
import { asProblem } from '../api/problem';
import type { DatasetVersion } from '../api/types';
import { Bring } from '../data/bring';
import { Preview } from '../data/preview';
import { Badge, PageProblem, ProblemNotice, Skeleton } from '../parts/bits';
import { Confirm } from '../parts/confirm';
import { ago, bytes, count, fullTime } from '../parts/format';
import { copy, useNow, useTitle } from '../parts/hooks';
import { DownloadIcon } from '../parts/icons';
import { More, useListed } from '../parts/listed';
import { toast } from '../parts/toasts';
import '../style/lists.css';
import '../style/model.css';

export default function DatasetPage({ name }: { name: string }) {
  useTitle(name, 'Datasets');
  const [chosen, setChosen] = useState<number | null>(null);
  const [brings, setBrings] = useState(false);
  const query = useQuery({ queryKey: ['dataset', name], queryFn: () => getDataset(name) });
  const list = useListed(['dataset', name, 'versions'], datasetVersions(name));
  const removal = useRemoval(name, () => setChosen(null));
  const found = query.data;
  if (query.error && !found)
    return <PageProblem problem={asProblem(query.error)} again={() => void query.refetch()} />;
  if (!found) return <Skeleton lines={8} />;
  const versions = list.loaded ? list.rows : [found.newest];
  const shown = versions.find((v) => v.version === chosen) ?? versions[0] ?? found.newest;
  return (
    <>
      <header className="page-head">
        <p className="crumbs">
          <Link href="/datasets">Datasets</Link> <span aria-hidden="true">/</span> {name}
        </p>
        <div className="page-title">
          <h1>{name}</h1>
        </div>
        <div className="row">
          <span className="fine">{count(found.versions, 'version')}</span>
          <button
            type="button"
            className="button small"
            onClick={() => setBrings(!brings)}
            aria-expanded={brings}
          >
            Add a version
          </button>
          <Confirm
            label="Delete the dataset"
            title={`Delete ${name} with ${count(found.versions, 'version')}?`}
            busy={removal.isPending}
            onYes={() => removal.mutate(null)}
          >
            <p>It cannot be brought back. Versions that a job refers to stay.</p>
          </Confirm>
        </div>
      </header>
      <div className="stack-wide">
        {removal.error && <ProblemNotice problem={asProblem(removal.error)} />}
        {brings && (
          <section className="panel" aria-label="New version">
            <Bring
              known={[found]}
              into={name}
              onDone={(version) => {
                setBrings(false);
                setChosen(version.version);
                toast(`${version.reference} is kept.`);
              }}
            />
          </section>
        )}
        <Shown
          version={shown}
          busy={removal.isPending}
          onDelete={() => removal.mutate(shown.version)}
          last={found.versions === 1}
        />
        <Versions versions={versions} shown={shown.version} onShow={setChosen} />
        {list.problem && !list.loaded && <ProblemNotice problem={list.problem} again={list.again} />}
        <More list={list} />
      </div>
    </>
  );
}

/** Of one version, or of all. */
function useRemoval(name: string, onGone: () => void) {
  const queries = useQueryClient();
  const [, go] = useLocation();
  return useMutation({
    mutationFn: (version: number | null) =>
      version === null ? deleteDataset(name) : deleteDatasetVersion(name, version),
    onSuccess: async (_, version) => {
      toast(version === null ? `${name} is deleted.` : `${name}@v${version} is deleted.`);
      onGone();
      await queries.invalidateQueries({ queryKey: ['datasets'] });
      // A dataset is gone with its last version.
      const left = version === null ? null : await getDataset(name).catch(() => null);
      if (!left) return go('/datasets');
      void queries.invalidateQueries({ queryKey: ['dataset', name] });
      void queries.invalidateQueries({ queryKey: ['dataset-preview', name] });
    },
    onError: () => void queries.invalidateQueries({ queryKey: ['dataset', name] }),
  });
}

function Shown(props: { version: DatasetVersion; busy: boolean; last: boolean; onDelete: () => void }) {
  const { version, busy, last, onDelete } = props;
  const { dataset, reference } = version;
  return (
    <section className="panel" aria-label={reference}>
      <div className="row row-ends">
        <div className="row">
          <h2>{reference}</h2>
          <span className="fine">
            {version.name}, {bytes(version.size)}
            {version.model ? `, feedback of ${version.model}` : ''}
          </span>
        </div>
        <div className="row">
          <button type="button" className="button small" onClick={() => void copy(reference, 'The name')}>
            Copy the name
          </button>
          <a
            className="button small"
            href={at(datasetContentPath(dataset, version.version))}
            download={version.name}
          >
            <DownloadIcon /> Download
          </a>
          <Confirm label="Delete" title={`Delete ${reference}?`} busy={busy} onYes={onDelete}>
            <p>
              It cannot be brought back.
              {last ? ' It is the only version: the dataset goes with it.' : ' The other versions stay.'}
            </p>
          </Confirm>
        </div>
      </div>
      <Preview name={dataset} version={version.version} heightMax={420} />
    </section>
  );
}

function Versions(props: { versions: DatasetVersion[]; shown: number; onShow: (version: number) => void }) {
  const now = useNow(30_000);
  return (
    <section className="stack" aria-label="Versions">
      <h2>Versions</h2>
      <ul className="versions">
        {props.versions.map((v) => (
          <li key={v.version} className={v.version === props.shown ? 'version version-live' : 'version'}>
            <div className="version-head">
              <strong>v{v.version}</strong>
              {v.version === props.shown && <Badge tone="good">Shown</Badge>}
              <span className="fine">
                {v.name}, {v.format}, {bytes(v.size)}
              </span>
              <span className="fine" title={fullTime(v.created_at)}>
                {ago(v.created_at, now)}
              </span>
              <code className="fine" title="SHA-256">
                {v.checksums.sha256?.slice(0, 10)}
              </code>
              {v.version !== props.shown && (
                <button type="button" className="button small" onClick={() => props.onShow(v.version)}>
                  Show
                </button>
              )}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
