// Owns the Feedback tab: everything people said for the owner, one's own words for everyone else. Must not
// know how feedback is given.
import { Link } from 'wouter';
import { at } from '../app/base';
import { feedback, feedbackCsvPath, prediction, predictions } from '../api/calls';
import type { Feedback, Model, Page, Prediction } from '../api/types';
import { useAccount } from '../app/session';
import { Grid } from '../grid/grid';
import { isScores, topScore } from '../output/kind';
import { Empty, ProblemNotice, Skeleton } from '../parts/bits';
import { count, fullTime, summary } from '../parts/format';
import { DownIcon, DownloadIcon, UpIcon } from '../parts/icons';
import { More, useListed, type PageOf } from '../parts/listed';
import { isFinal } from '../run/view';
import { shortCode } from '../run/words';
import '../style/lists.css';

const COLUMNS = ['rating', 'reason', 'comment', 'correction', 'output', 'input', 'created_at', 'who'];
const LABELS = {
  rating: 'Rating',
  reason: 'Reason',
  comment: 'Comment',
  correction: 'Right would be',
  output: 'Output',
  input: 'Input',
  who: 'Who',
  created_at: 'When',
};

export default function FeedbackTab({ model }: { model: Model }) {
  const account = useAccount();
  const path = `${model.owner}/${model.name}`;
  const owner = account?.role === 'owner';
  const list = useListed(['feedback', path, owner], owner ? feedback(path) : ownFeedback(path), {
    enabled: account !== undefined,
  });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.loaded) return <Skeleton lines={6} />;
  if (!list.rows.length && !list.hasMore) {
    return (
      <Empty title={owner ? 'Nobody has said anything yet' : 'You have not said anything yet'}>
        <p>
          Under every result stand two thumbs. <Link href={`/m/${path}`}>Try the model</Link> and use them.
        </p>
      </Empty>
    );
  }
  const rows = list.rows.map(rowOf);
  return (
    <section className="stack" aria-label="Feedback">
      <div className="row row-ends">
        <span>{owner ? praise(list.rows, list.hasMore) : ownWords(list.rows)}</span>
        {owner && (
          <a
            className="button small"
            href={at(feedbackCsvPath(path))}
            download={`feedback-${model.name}.csv`}
          >
            <DownloadIcon /> Download CSV
          </a>
        )}
      </div>
      <Grid
        columns={filled(owner ? COLUMNS : COLUMNS.filter((c) => c !== 'who'), rows)}
        labels={LABELS}
        rows={rows}
        caption="Feedback"
        render={RENDER}
        heightMax={600}
      />
      <More list={list} />
    </section>
  );
}

/** A column in which nobody said anything only takes room. */
const filled = (columns: string[], rows: Record<string, unknown>[]): string[] =>
  columns.filter((c) => rows.some((row) => row[c] !== null && row[c] !== undefined && row[c] !== ''));

const RENDER = {
  rating: (row: Record<string, unknown>) =>
    row.rating === 1 ? (
      <span className="thumb-up-small" role="img" aria-label="good">
        <UpIcon />
      </span>
    ) : row.rating === -1 ? (
      <span className="thumb-down-small" role="img" aria-label="not good">
        <DownIcon />
      </span>
    ) : (
      '–'
    ),
  created_at: (row: Record<string, unknown>) => (
    <Link href={`/runs/${String(row.prediction)}`}>{fullTime(String(row.created_at))}</Link>
  ),
};

function rowOf(item: Feedback): Record<string, unknown> {
  const who = item.who && item.who.length > 20 ? `guest ${shortCode(item.who)}` : item.who;
  return {
    ...item,
    who,
    input: said(item.input),
    output: said(item.output),
    correction: said(item.correction),
  };
}

function said(value: unknown): string {
  if (value === null || value === undefined) return '';
  return isScores(value) ? topScore(value) : summary(value, 120);
}

const ownFeedback =
  (model: string): PageOf<Feedback> =>
  async (next) =>
    saidOn(await predictions({ model, mine: 'true' })(next));

/** Lists of runs come without what was said about them: each run of the page is asked for. */
async function saidOn(page: Page<Prediction>): Promise<Page<Feedback>> {
  const over = page.results.filter((run) => isFinal(run.status));
  const runs = await Promise.all(over.map((run) => (run.feedback ? run : prediction(run.id))));
  const results = runs.flatMap((run) =>
    run.feedback
      ? [
          {
            created_at: run.created_at,
            ...run.feedback,
            prediction: run.id,
            input: run.input,
            output: run.output,
          },
        ]
      : [],
  );
  return { ...page, results };
}

function praise(items: Feedback[], hasMore: boolean): string {
  const good = items.filter((i) => i.rating === 1).length;
  const bad = items.filter((i) => i.rating === -1).length;
  const what = hasMore ? 'The newest feedback,' : 'Feedback';
  return `${what} on ${count(items.length, 'run')}: ${good} good, ${bad} not good`;
}

const ownWords = (items: Feedback[]): string =>
  items.length
    ? 'What you said about results of this model.'
    : 'Nothing was said about your newest runs of this model.';
