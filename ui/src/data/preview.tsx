// Owns the first rows of a dataset on the screen: types, what is missing, why there is nothing. Must not know
// where it is used.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { datasetPreview } from '../api/calls';
import { asProblem } from '../api/problem';
import type { DatasetPreview } from '../api/types';
import { Grid } from '../grid/grid';
import { ProblemNotice, Said, Skeleton } from '../parts/bits';
import { count, number } from '../parts/format';
import { typedRows } from './names';
import '../style/data.css';

interface PreviewProps {
  name: string;
  version: number | 'newest';
  heightMax?: number;
}

export function Preview({ name, version, heightMax = 300 }: PreviewProps) {
  const query = useQuery({
    queryKey: ['dataset-preview', name, version],
    queryFn: () => datasetPreview(name, version),
  });
  if (query.error)
    return <ProblemNotice problem={asProblem(query.error)} again={() => void query.refetch()} />;
  if (!query.data) return <Skeleton lines={4} label="Reading the first rows" />;
  if (!query.data.columns.length) {
    return (
      <p className="fine">
        <Said text={query.data.note ?? 'There is nothing in it.'} />
      </p>
    );
  }
  return <Table preview={query.data} heightMax={heightMax} />;
}

function Table({ preview, heightMax }: { preview: DatasetPreview; heightMax: number }) {
  const rows = useMemo(() => typedRows(preview), [preview]);
  const columns = useMemo(() => preview.columns.map((c) => c.name), [preview]);
  const labels = useMemo(
    () =>
      Object.fromEntries(
        preview.columns.map((c) => [
          c.name,
          <span key={c.name} className="column-head">
            <span>{c.name}</span>
            <span className="column-facts">
              {c.type ?? 'empty'}
              {c.missing > 0 && <span className="column-missing">{number(c.missing)} missing</span>}
            </span>
          </span>,
        ]),
      ),
    [preview],
  );
  return (
    <div className="stack">
      <Grid columns={columns} rows={rows} labels={labels} caption="First rows" heightMax={heightMax} />
      <p className="fine">{rowsWords(preview)}</p>
    </div>
  );
}

function rowsWords({ rows, rows_seen, rows_total, note }: DatasetPreview): string {
  const all = rows_total === null ? 'Many rows' : count(rows_total, 'row');
  const shown =
    rows_total === null || rows.length < rows_total ? `, the first ${number(rows.length)} shown` : '';
  const looked =
    rows_total === rows_seen ? '' : ` Types and missing values are of the first ${count(rows_seen, 'row')}.`;
  return `${all}${shown}.${looked}${note ? ` ${note}` : ''}`;
}
