// Owns the list of datasets, and the way a new one comes in. Must not know what is in them.
import { Link, useLocation } from 'wouter';
import { datasets } from '../api/calls';
import type { Dataset } from '../api/types';
import { Bring } from '../data/bring';
import { ProblemNotice, Skeleton } from '../parts/bits';
import { ago, bytes, count, fullTime } from '../parts/format';
import { useNow, useTitle } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import '../style/lists.css';
import '../style/model.css';

export default function DatasetsPage() {
  useTitle('Datasets');
  const [, go] = useLocation();
  const list = useListed(['datasets'], datasets);
  const known = list.rows;
  return (
    <>
      <header className="page-head">
        <h1>Datasets</h1>
        <p className="lead">
          Data for trainings and batch jobs. A version never changes: what was trained with it can always be
          trained again.
        </p>
      </header>
      <div className="stack-wide datasets">
        <section className="panel" aria-label="New dataset">
          <Bring
            known={known}
            knowsSome={list.hasMore}
            onDone={(version) => go(`/datasets/${version.dataset}`)}
          />
        </section>
        {list.problem && !list.loaded && <ProblemNotice problem={list.problem} again={list.again} />}
        {!list.loaded && !list.problem && <Skeleton lines={5} />}
        {known.length > 0 && <List list={known} />}
        {list.loaded && known.length === 0 && (
          <p className="fine">
            No datasets yet. From a terminal: <code>onstage data put NAME FILE</code>
          </p>
        )}
        <More list={list} />
      </div>
    </>
  );
}

function List({ list }: { list: Dataset[] }) {
  const now = useNow(30_000);
  return (
    <ul className="rows" aria-label="Datasets">
      {list.map(({ name, versions, newest }) => (
        <li key={name}>
          <Link href={`/datasets/${name}`} className="rows-item rows-dataset">
            <strong className="rows-main">{name}</strong>
            <span className="rows-side">{newest.format}</span>
            <span className="rows-side">{bytes(newest.size)}</span>
            <span className="rows-side">{count(versions, 'version')}</span>
            <span className="rows-side" title={fullTime(newest.created_at)}>
              {ago(newest.created_at, now)}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
