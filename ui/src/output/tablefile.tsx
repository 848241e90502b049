// Owns the showing of a table that lies in a file: fetch, read, grid, download. Must not know which model
// made it.
import { useQuery } from '@tanstack/react-query';
import { resolveLink } from '../app/base';
import { Grid } from '../grid/grid';
import { rowsOf, rowsOfCsv, rowsOfJsonLines, GRID_ROWS_MAX, type Rows } from '../grid/table';
import { Skeleton } from '../parts/bits';
import { count } from '../parts/format';
import { DownloadLink } from './download';

const FETCH_BYTES_MAX = 24 * 1024 * 1024;

export default function TableFile({ link, name, rowsMax }: { link: string; name: string; rowsMax?: number }) {
  const { data, error } = useQuery({
    queryKey: ['table', link.length > 512 ? hash(link) : link, name],
    queryFn: () => readTable(link, name),
    staleTime: Infinity,
    retry: 1,
  });
  if (error) {
    return (
      <div className="stack">
        <p className="fine">{name} cannot be shown here.</p>
        {!rowsMax && <DownloadLink link={link} name={name} />}
      </div>
    );
  }
  if (!data) return <Skeleton lines={4} label="Loading the table" />;
  const rows = rowsMax ? data.rows.slice(0, rowsMax) : data.rows;
  return (
    <div className="stack">
      <Grid columns={data.columns} rows={rows} caption={name} />
      {rowsMax ? (
        <p className="fine">
          {count(data.rows.length, 'row')}, {count(data.columns.length, 'column')}
        </p>
      ) : (
        <div className="row">
          <DownloadLink link={link} name={name} />
          <span className="fine">
            {data.cut ? `The first ${GRID_ROWS_MAX} rows are shown` : count(data.rows.length, 'row')}
          </span>
        </div>
      )}
    </div>
  );
}

async function readTable(link: string, name: string): Promise<Rows> {
  const { text, type } = link.startsWith('data:') ? textOf(link) : await fetched(link);
  if (/jsonl|ndjson/.test(type + name)) return rowsOfJsonLines(text);
  if (/json/.test(type)) return rowsOf(JSON.parse(text) as Record<string, unknown>[]);
  if (/parquet|arrow|octet-stream|excel|sheet/.test(type) && !/\.(csv|tsv|txt)$/i.test(name))
    throw new Error('binary table');
  return rowsOfCsv(text);
}

/** fetch() of data: addresses is forbidden by the content policy, so they are read by hand. */
function textOf(link: string): { text: string; type: string } {
  const comma = link.indexOf(',');
  const head = link.slice(5, comma);
  const body = link.slice(comma + 1);
  if (!head.endsWith(';base64')) return { text: decodeURIComponent(body), type: head };
  const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
  return { text: new TextDecoder().decode(bytes), type: head };
}

async function fetched(link: string): Promise<{ text: string; type: string }> {
  if (link.startsWith('blob:')) return fetchedBlob(link);
  const href = resolveLink(link);
  if (!href) throw new Error('foreign link');
  const response = await fetch(href, { credentials: 'same-origin' });
  if (!response.ok) throw new Error(`the table cannot be loaded (${response.status})`);
  if (Number(response.headers.get('content-length') ?? 0) > FETCH_BYTES_MAX)
    throw new Error('too large to show');
  return { text: await response.text(), type: response.headers.get('content-type') ?? '' };
}

/** A chosen file is looked at through its blob address, which fetch() may not open under the policy. */
function fetchedBlob(link: string): Promise<{ text: string; type: string }> {
  return import('../form/files').then(({ fileBehind }) => {
    const file = fileBehind(link);
    if (!file) throw new Error('the file is gone');
    return file
      .slice(0, FETCH_BYTES_MAX)
      .text()
      .then((text) => ({ text, type: file.type }));
  });
}

function hash(text: string): string {
  let h = 0;
  for (let i = 0; i < text.length; i += 7) h = (Math.imul(h, 31) + text.charCodeAt(i)) | 0;
  return `${text.length}:${h}`;
}
