// Owns the showing of one output by its kind; heavy kinds load when they are needed. Must not know how the
// output was made.
import { lazy, Suspense } from 'react';
import { resolveLink } from '../app/base';
import type { Schema } from '../api/types';
import { nameOf } from '../form/files';
import { rowsOf, csvOf } from '../grid/table';
import { Skeleton } from '../parts/bits';
import { count, number } from '../parts/format';
import { DownloadLink, DownloadText } from './download';
import { deref, kindOf, scoreWords, shown, sortedScores } from './kind';
import { Tree } from './tree';
import '../style/output.css';

const Grid = lazy(() => import('../grid/grid').then((m) => ({ default: m.Grid })));
const TableFile = lazy(() => import('./tablefile'));
const Plot = lazy(() => import('./plot'));
const MarkdownText = lazy(() => import('./markdown'));

export interface OutputProps {
  value: unknown;
  schema: Schema | undefined;
  schemas: Record<string, Schema>;
  name: string;
  depth?: number;
}

export function Output(props: OutputProps) {
  return (
    <Suspense fallback={<Skeleton lines={4} label="Loading the result" />}>
      <Shown {...props} />
    </Suspense>
  );
}

function Shown({ schema: declared, schemas, name, value: raw, depth = 0 }: OutputProps) {
  const schema = deref(declared, schemas);
  const value = shown(schema, raw);
  const inner = (key: string, item: unknown, of: Schema | undefined) => (
    <Shown value={item} schema={of} schemas={schemas} name={`${name}-${key}`} depth={depth + 1} />
  );
  switch (kindOf(schema, value)) {
    case 'nothing':
      return <p className="fine">{depth ? 'none' : 'The model answered with nothing.'}</p>;
    case 'scores':
      return <Bars scores={value as Record<string, number>} />;
    case 'table':
      return <RowsTable rows={value as Record<string, unknown>[]} name={name} />;
    case 'tableFile':
      return <TableFile link={value as string} name={fileName(value as string, name, 'csv')} />;
    case 'image':
      return <Picture link={value as string} name={name} />;
    case 'audio':
    case 'video':
      return <Media kind={kindOf(schema, value)} link={value as string} name={name} />;
    case 'file':
      return <FileCard link={value as string} name={name} />;
    case 'markdown':
      return <MarkdownText text={value as string} />;
    case 'plot':
      return <Plot spec={value as Record<string, unknown>} name={name} />;
    case 'text':
      if (value === '')
        return <p className="fine">{depth ? 'empty' : 'The model answered with an empty text.'}</p>;
      return <p className={depth ? 'out-text' : 'out-text out-lead'}>{value as string}</p>;
    case 'number':
      return <p className={depth ? 'out-number-small' : 'out-number'}>{number(value as number)}</p>;
    case 'yesno':
      return <p className={depth ? 'out-number-small' : 'out-number'}>{value ? 'Yes' : 'No'}</p>;
    case 'list':
      return (
        <div className="out-list">
          {(value as unknown[]).map((item, i) => (
            <div key={i}>{inner(String(i + 1), item, schema.items)}</div>
          ))}
        </div>
      );
    case 'record':
      if (depth > 2) return <Tree value={value} />;
      return (
        <dl className={depth ? 'out-record out-record-inner' : 'out-record'}>
          {Object.entries(value as object).map(([key, item]) => (
            <div key={key}>
              <dt>{schema.properties?.[key]?.title ?? key}</dt>
              <dd>{inner(key, item, schema.properties?.[key])}</dd>
            </div>
          ))}
        </dl>
      );
    default:
      return <Tree value={value} />;
  }
}

function Bars({ scores }: { scores: Record<string, number> }) {
  const rows = sortedScores(scores);
  const words = scoreWords(scores);
  // Where all are equal, none is the answer.
  const best = rows.some((row) => row.value !== rows[0]?.value) ? rows[0]?.value : undefined;
  return (
    <ol className="bars">
      {rows.map((row) => (
        <li key={row.label} className={row.value === best ? 'bars-top' : undefined}>
          <span className="bars-label">{row.label}</span>
          <span className="bars-track" aria-hidden="true">
            <span style={{ width: `${Math.max(0.4, row.share * 100)}%` }} />
          </span>
          <span className="bars-value">{words(row.value)}</span>
        </li>
      ))}
    </ol>
  );
}

function RowsTable({ rows, name }: { rows: Record<string, unknown>[]; name: string }) {
  const table = rowsOf(rows);
  return (
    <div className="stack">
      <Grid columns={table.columns} rows={rows} caption={name} />
      <div className="row">
        <DownloadText text={() => csvOf(table)} name={`${name}.csv`} type="text/csv" />
        <span className="fine">{count(rows.length, 'row')}</span>
      </div>
    </div>
  );
}

function Picture({ link, name }: { link: string; name: string }) {
  const src = resolveLink(link);
  if (!src) return <FileCard link={link} name={name} />;
  return (
    <figure className="out-picture">
      <img src={src} alt={`Result of ${name}`} />
      <figcaption>
        <DownloadLink link={link} name={fileName(link, name, 'png')} />
      </figcaption>
    </figure>
  );
}

function Media({ kind, link, name }: { kind: string; link: string; name: string }) {
  const src = resolveLink(link) ?? undefined;
  return (
    <div className="stack">
      {/* A model's recording comes without captions; its text outputs stand beside it. */}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
      {kind === 'audio' ? <audio controls src={src} /> : <video controls src={src} className="out-video" />}
      <div>
        <DownloadLink link={link} name={fileName(link, name, kind)} />
      </div>
    </div>
  );
}

function FileCard({ link, name }: { link: string; name: string }) {
  return (
    <div className="out-file">
      <span>{nameOf(link)}</span>
      <DownloadLink link={link} name={fileName(link, name, 'bin')} />
    </div>
  );
}

const EXTENSIONS: Record<string, string> = {
  'text/csv': 'csv',
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/svg+xml': 'svg',
};

function fileName(link: string, name: string, otherwise: string): string {
  const media = /^data:([^;,]*)/.exec(link)?.[1];
  if (media !== undefined)
    return `${name}.${EXTENSIONS[media] ?? media.split('/')[1]?.replace(/^x-/, '') ?? otherwise}`;
  const last = nameOf(link);
  return last.includes('.') ? last : `${name}.${otherwise}`;
}
