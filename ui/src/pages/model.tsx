// Owns a model's page: its head, its tabs, and which tab is open. Must not know what tabs do.
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, type ReactNode } from 'react';
import { Link } from 'wouter';
import { model as getModel } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Model, Schema, Version } from '../api/types';
import { useAccount } from '../app/session';
import { Badge, Empty, Notice, PageProblem, Skeleton } from '../parts/bits';
import { useTitle } from '../parts/hooks';
import { readinessWords } from '../run/words';
import '../style/model.css';

const load = {
  try: () => import('./try'),
  batch: () => import('./batch'),
  runs: () => import('./runs'),
  feedback: () => import('./feedback'),
  train: () => import('./train'),
  versions: () => import('./versions'),
  schedule: () => import('./schedule'),
};
const Try = lazy(load.try);
const BatchTab = lazy(load.batch);
const Runs = lazy(load.runs);
const FeedbackTab = lazy(load.feedback);
const TrainTab = lazy(load.train);
const Versions = lazy(load.versions);
const ScheduleTab = lazy(load.schedule);
const MarkdownText = lazy(() => import('../output/markdown'));

const REFRESH_AWAKE_MS = 15_000;
const REFRESH_WAKING_MS = 1_500;
const TABS_AFTER_MS = 1_200;

const TABS = [
  { path: 'try', label: 'Try', ownerOnly: false },
  { path: 'batch', label: 'Batch', ownerOnly: false },
  { path: 'runs', label: 'Runs', ownerOnly: false },
  { path: 'feedback', label: 'Feedback', ownerOnly: false },
  { path: 'train', label: 'Train', ownerOnly: true },
  { path: 'versions', label: 'Versions', ownerOnly: true },
  { path: 'schedule', label: 'Schedule', ownerOnly: true },
];

export default function ModelPage({ owner, name, tab }: { owner: string; name: string; tab: string }) {
  const account = useAccount();
  const query = useQuery({
    queryKey: ['model', owner, name],
    queryFn: () => getModel(owner, name),
    refetchInterval: (q) =>
      q.state.data?.readiness?.state === 'starting' ? REFRESH_WAKING_MS : REFRESH_AWAKE_MS,
  });
  const model = query.data;
  useOtherTabs(model !== undefined);
  const trains = Boolean(model?.latest_version?.schema?.training);
  const tabs = TABS.filter(
    (t) => (!t.ownerOnly || account?.role === 'owner') && (t.path !== 'train' || trains || tab === 'train'),
  );
  const label = TABS.find((t) => t.path === tab)?.label;
  useTitle(model?.title || name, tab === 'try' ? null : label);
  if (query.error && !model)
    return <PageProblem problem={asProblem(query.error)} again={() => void query.refetch()} />;
  return (
    <>
      <Head model={model} owner={owner} name={name} />
      <nav className="tabs" aria-label="Parts of this model">
        {tabs.map((t) => (
          <Link
            key={t.path}
            href={t.path === 'try' ? `/m/${owner}/${name}` : `/m/${owner}/${name}/${t.path}`}
            aria-current={t.path === tab ? 'page' : undefined}
          >
            {t.label}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Skeleton lines={6} />}>
        {model ? open(tab, model) : <Skeleton lines={6} />}
      </Suspense>
    </>
  );
}

/** The other tabs come in quiet, so that they open at once, and also when the connection is gone. */
function useOtherTabs(shown: boolean): void {
  useEffect(() => {
    if (!shown) return;
    const timer = setTimeout(() => {
      // What fails here is asked for again when its tab is opened.
      for (const tab of [load.runs, load.batch, load.feedback]) tab().catch(() => undefined);
    }, TABS_AFTER_MS);
    return () => clearTimeout(timer);
  }, [shown]);
}

function open(tab: string, model: Model): ReactNode {
  const version = model.latest_version;
  if (tab === 'versions') return <Versions model={model} />;
  if (tab === 'runs') return <Runs model={model} />;
  if (tab === 'feedback') return <FeedbackTab model={model} />;
  if (!version) return <NoVersion model={model} />;
  if (tab === 'batch') return <BatchTab model={model} version={version} schemas={schemasOf(version)} />;
  if (tab === 'train') return <TrainTab model={model} version={version} />;
  if (tab === 'schedule') return <ScheduleTab model={model} version={version} schemas={schemasOf(version)} />;
  if (tab === 'try') return <Try model={model} version={version} schemas={schemasOf(version)} />;
  return <Notice tone="calm" title="There is no such tab." />;
}

function NoVersion({ model }: { model: Model }) {
  const owner = useAccount()?.role === 'owner';
  return (
    <Empty title="Nothing to try yet">
      {owner ? (
        <p>
          No version of this model works yet.{' '}
          <Link href={`/m/${model.owner}/${model.name}/versions`}>Versions</Link> says what went wrong;{' '}
          <code>onstage push</code> in its folder brings the next one.
        </p>
      ) : (
        <p>
          Its author has not finished it. Come back later, or try <Link href="/">another model</Link>.
        </p>
      )}
    </Empty>
  );
}

export function schemasOf(version: Version | null | undefined): Record<string, Schema> {
  return version?.schema?.components?.schemas ?? version?.openapi_schema?.components?.schemas ?? {};
}

function Head({ model, owner, name }: { model: Model | undefined; owner: string; name: string }) {
  const ready = readinessWords(model?.readiness, model?.background);
  const help = model?.latest_version?.schema?.help || model?.description || '';
  return (
    <header className="page-head">
      <p className="crumbs">
        <Link href="/">Models</Link> <span aria-hidden="true">/</span> {owner}/{name}
      </p>
      <div className="page-title">
        <h1>{model ? model.title || model.name : name}</h1>
        {model && (
          <span title={ready.more}>
            <Badge tone={ready.tone}>{ready.label}</Badge>
          </span>
        )}
      </div>
      <div className="lead">
        {help && (
          <Suspense fallback={<p>{help}</p>}>
            <MarkdownText text={help} />
          </Suspense>
        )}
      </div>
      {model?.readiness?.state === 'failed' && <Notice title={ready.label}>{<p>{ready.more}</p>}</Notice>}
    </header>
  );
}
