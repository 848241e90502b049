// Owns the first page: every model as a card. Must not know how a model is used.
import { Link } from 'wouter';
import { models } from '../api/calls';
import type { Model } from '../api/types';
import { at } from '../app/base';
import { useAccount } from '../app/session';
import { Badge, Empty, ProblemNotice } from '../parts/bits';
import { count, plainText } from '../parts/format';
import { useTitle } from '../parts/hooks';
import { ArrowIcon } from '../parts/icons';
import { More, useListed } from '../parts/listed';
import { readinessWords } from '../run/words';

const REFRESH_MS = 10_000;

export default function Gallery() {
  useTitle('Models');
  const account = useAccount();
  const list = useListed(['models'], models, { refreshMs: () => REFRESH_MS });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (list.loaded && list.rows.length === 0) return <FirstModel owner={account?.role !== 'stakeholder'} />;
  return (
    <>
      <header className="page-head">
        <h1>Models</h1>
        <p className="lead">
          Pick one and try it. Programs can call them too: <a href={at('openapi.json')}>openapi.json</a> says
          how.
        </p>
      </header>
      <ul className="cards" aria-busy={!list.loaded}>
        {list.loaded
          ? list.rows.map((model) => <Card key={`${model.owner}/${model.name}`} model={model} />)
          : [0, 1, 2].map((i) => <li key={i} className="card card-empty" aria-hidden="true" />)}
      </ul>
      <More list={list} />
    </>
  );
}

function Card({ model }: { model: Model }) {
  const background = model.background ?? model.latest_version?.schema?.background;
  const ready = readinessWords(model.readiness, background);
  const title = model.title || model.name;
  const works = model.readiness?.state !== 'none';
  return (
    <li>
      <Link href={`/m/${model.owner}/${model.name}`} className="card">
        <div className="card-top">
          <Badge tone={ready.tone}>{ready.label}</Badge>
          <span className="card-name">
            {model.owner}/{model.name}
          </span>
        </div>
        <h2>{title}</h2>
        <p className="card-help">{firstParagraph(model.description || model.latest_version?.schema?.help)}</p>
        <p className="card-facts">
          <span>
            {!works ? 'Cannot be tried yet' : background ? 'Takes a while, you may leave' : 'Answers at once'}
          </span>
          <span>
            {model.run_count ? count(model.run_count, 'run') : works ? 'Not tried yet' : ''}
            <ArrowIcon />
          </span>
        </p>
      </Link>
    </li>
  );
}

const firstParagraph = (text?: string | null): string =>
  plainText((text ?? '').trim().split(/\n\s*\n/)[0] ?? '');

function FirstModel({ owner }: { owner: boolean }) {
  return (
    <Empty title="The stage is set, and empty">
      {owner ? (
        <>
          <p>Push your first model from a terminal. It takes about a minute.</p>
          <ol className="steps">
            <li>
              <code>onstage new hello</code>
              <span>makes a folder with a model of three lines</span>
            </li>
            <li>
              <code>cd hello &amp;&amp; onstage push</code>
              <span>brings it here, with a page of its own</span>
            </li>
          </ol>
        </>
      ) : (
        <p>There is nothing to try yet. Come back when the scientist has pushed the first model.</p>
      )}
    </Empty>
  );
}
