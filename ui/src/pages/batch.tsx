// Owns the Batch tab: a table in, columns mapped to inputs, start; and the batch jobs there were. Must not
// know how a batch job is watched.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { batches, preview as getPreview, startBatch } from '../api/calls';
import { asProblem, type Problem } from '../api/problem';
import type { Batch, Model, Preview, Schema, StoredFile, Version } from '../api/types';
import { SENDING_FIRST } from '../api/sending';
import { upload } from '../api/upload';
import { ordered } from '../form/schema';
import { Grid } from '../grid/grid';
import { csvOf, headLength } from '../grid/table';
import { DownloadText } from '../output/download';
import { Notice, ProblemNotice, Skeleton } from '../parts/bits';
import { DropZone } from '../parts/dropzone';
import { ago, bytes, count, fullTime, number, summary } from '../parts/format';
import { useNow } from '../parts/hooks';
import { More, useListed } from '../parts/listed';
import { SendingBar } from '../parts/sending';
import { isFinal } from '../run/view';
import { BatchBadge } from './batchbadge';
import { BatchFiles } from './batchfiles';
import { mapComplete, mappingOf, namesFiles, refusedTable, rowsThrough, templateOf } from './mapping';
import '../style/batch.css';
import '../style/lists.css';

const PREVIEW_BYTES_MAX = 256 * 1024;
const REFRESH_BUSY_MS = 2_000;
const TABLES = '.csv,.tsv,.jsonl,.ndjson,.parquet,.arrow,.feather,text/csv';

interface BatchTabProps {
  model: Model;
  version: Version;
  schemas: Record<string, Schema>;
}

export default function BatchTab(props: BatchTabProps) {
  const [table, setTable] = useState<File | null>(null);
  return (
    <div className="batch">
      <section className="panel" aria-label="New batch job">
        {table ? (
          <Prepare
            key={`${table.name}${table.size}`}
            {...props}
            table={table}
            onBack={() => setTable(null)}
          />
        ) : (
          <DropTable onFile={setTable} {...props} />
        )}
      </section>
      <Past model={props.model} />
    </div>
  );
}

function DropTable({ onFile, model, version, schemas }: BatchTabProps & { onFile: (file: File) => void }) {
  const [refused, setRefused] = useState<string | null>(null);
  const input = schemas.Input ?? {};
  const names = ordered(input);
  const take = (file: File): void => {
    const why = refusedTable(file.name);
    setRefused(why);
    if (!why) onFile(file);
  };
  return (
    <>
      <h2>A whole table at once</h2>
      <p className="batch-hint">
        Every row goes through the model. The result is the same table with the answers beside it.
        {names.length > 0 && (
          <>
            {' '}
            Columns for this model:{' '}
            {names.map((name, i) => (
              <span key={name}>
                {i > 0 && ', '}
                <code>{name}</code>
              </span>
            ))}
            . You can match columns with other names in the next step.
          </>
        )}
      </p>
      {refused && <Notice tone="warn" title={refused} />}
      <DropZone
        label="Table"
        choose="Choose a table"
        invite="Drop a table here, or choose one"
        hint="CSV, TSV, JSON Lines, Parquet or Arrow"
        accept={TABLES}
        large
        onFile={take}
      />
      {names.length > 0 && (
        <div className="row">
          <DownloadText
            text={() => csvOf(templateOf(input, version.examples ?? []))}
            name={`${model.name}.csv`}
            type="text/csv"
          >
            A table to start from
          </DownloadText>
          <span className="fine">A CSV with the right columns, to fill in with any spreadsheet program.</span>
        </div>
      )}
    </>
  );
}

/** The upload and the preview run side by side: the preview needs only the head of the file. */
function usePrepared(model: Model, table: File) {
  const [stored, setStored] = useState<StoredFile | null>(null);
  const [sending, setSending] = useState(SENDING_FIRST);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const { owner, name } = model;
  useEffect(() => {
    const controller = new AbortController();
    const failed = (error: unknown): void => {
      if (!controller.signal.aborted) setProblem(asProblem(error));
    };
    upload(table, setSending, controller.signal).then(setStored).catch(failed);
    headOf(table)
      .then((head) => getPreview(owner, name, head))
      .then((next) => !controller.signal.aborted && setPreview(next))
      .catch(failed);
    return () => controller.abort();
  }, [table, owner, name]);
  return { stored, sending, preview, problem };
}

async function headOf(table: File): Promise<File> {
  if (table.size <= PREVIEW_BYTES_MAX || /\.(parquet|arrow|feather)$/i.test(table.name)) return table;
  const head = new Uint8Array(await table.slice(0, PREVIEW_BYTES_MAX).arrayBuffer());
  return new File([head.slice(0, headLength(head, PREVIEW_BYTES_MAX - 1))], table.name, { type: table.type });
}

function Prepare({ model, schemas, table, onBack }: BatchTabProps & { table: File; onBack: () => void }) {
  const { stored, sending, preview, problem } = usePrepared(model, table);
  const [edited, setEdited] = useState<Record<string, string> | null>(null);
  const [label, setLabel] = useState('');
  const [archive, setArchive] = useState<string | null>(null);
  const [, go] = useLocation();
  const queries = useQueryClient();
  const input = schemas.Input ?? {};
  const map = edited ?? mappingOf(preview?.map ?? {});
  const start = useMutation({
    mutationFn: () =>
      startBatch(model.owner, model.name, {
        table: `onstage://files/${stored?.id ?? ''}`,
        ...(preview ? { format: preview.format } : {}),
        map: Object.fromEntries(Object.entries(map).filter(([, column]) => column)),
        ...(label ? { label } : {}),
        ...(archive ? { files: archive } : {}),
      }),
    onSuccess: (batch) => {
      void queries.invalidateQueries({ queryKey: ['batches'] });
      go(`/batches/${batch.id}`);
    },
  });
  const refused = start.error ? asProblem(start.error) : problem;
  const missing = mapComplete(input, map);
  const named = namesFiles(input, map, preview?.rows ?? []);
  const without = named.length > 0 && !archive;
  return (
    <div className="stack">
      <div className="row row-ends">
        <div className="row">
          <h2>{table.name}</h2>
          <span className="fine">{bytes(table.size)}</span>
        </div>
        <button type="button" className="button small" onClick={onBack}>
          Another file
        </button>
      </div>
      {refused && <ProblemNotice problem={refused} />}
      {!stored && !refused && <SendingBar sending={sending} />}
      {!preview && !refused && <Skeleton lines={5} label="Reading the first rows" />}
      {preview && (
        <>
          <Grid columns={preview.columns} rows={preview.rows} caption="First rows" heightMax={240} />
          <Mapping input={input} columns={preview.columns} map={map} onMap={setEdited} />
          {named.length > 0 && <BatchFiles of={named} onArchive={setArchive} />}
          <div className="map-row">
            <label htmlFor="label-column">
              Compare with <span className="fine">optional: a column with the right answers</span>
            </label>
            <select
              id="label-column"
              className="input"
              value={label}
              onChange={(e) => setLabel(e.target.value)}
            >
              <option value="">(no comparison)</option>
              {preview.columns.map((c) => (
                <option key={c}>{c}</option>
              ))}
            </select>
          </div>
          <div className="form-foot">
            <button
              type="button"
              className="button primary"
              disabled={!stored || missing.length > 0 || without || start.isPending}
              onClick={() => start.mutate()}
            >
              Start
            </button>
            <span className="fine" role="status">
              {missing.length
                ? `Choose a column for ${missing.join(' and ')}.`
                : !stored
                  ? 'The upload is not done yet.'
                  : without
                    ? `Add the files that ${named.join(' and ')} names.`
                    : ''}
            </span>
          </div>
        </>
      )}
    </div>
  );
}

function Mapping(props: {
  input: Schema;
  columns: string[];
  map: Record<string, string>;
  onMap: (map: Record<string, string>) => void;
}) {
  const { input, columns, map, onMap } = props;
  const required = new Set(input.required ?? []);
  return (
    <fieldset className="map">
      <legend>Which column is which input?</legend>
      {ordered(input).map((name) => (
        <div className="map-row" key={name}>
          <label htmlFor={`map-${name}`}>
            {input.properties?.[name]?.title ?? name}{' '}
            {!required.has(name) && <span className="fine">optional</span>}
          </label>
          <select
            id={`map-${name}`}
            className="input"
            value={map[name] ?? ''}
            onChange={(e) => onMap({ ...map, [name]: e.target.value })}
          >
            <option value="">
              {required.has(name) ? 'Choose…' : withoutColumn(input.properties?.[name])}
            </option>
            {columns.map((c) => (
              <option key={c}>{c}</option>
            ))}
            {map[name] && !columns.includes(map[name]) && <option>{map[name]}</option>}
          </select>
        </div>
      ))}
    </fieldset>
  );
}

const withoutColumn = (input: Schema | undefined): string =>
  input?.default === undefined || input.default === null || input.default === ''
    ? '(leave empty)'
    : `(always ${summary(input.default, 24)})`;

function Past({ model }: { model: Model }) {
  const path = `${model.owner}/${model.name}`;
  const now = useNow(15_000);
  const list = useListed(['batches', path], batches({ model: path }), {
    refreshMs: (rows) => (rows.some((b) => !isFinal(b.status)) ? REFRESH_BUSY_MS : false),
  });
  if (list.problem && !list.loaded) return <ProblemNotice problem={list.problem} again={list.again} />;
  if (!list.rows.length) return null;
  return (
    <section aria-label="Batch jobs">
      <h2>Batch jobs</h2>
      <ul className="rows">
        {list.rows.map((b) => (
          <li key={b.id}>
            <Link href={`/batches/${b.id}`} className="rows-item">
              <BatchBadge batch={b} />
              <span className="rows-main">{b.table?.name ?? 'table'}</span>
              <span className="rows-side">{countsLine(b)}</span>
              <span className="rows-side" title={fullTime(b.created_at)}>
                {ago(b.created_at, now)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <More list={list} />
    </section>
  );
}

function countsLine({ counts }: Batch): string {
  if (!counts) return '';
  const through = rowsThrough(counts);
  const of = counts.total !== null && counts.total !== through ? ` of ${number(counts.total)}` : '';
  const done = of ? `${number(through)}${of} rows` : count(through, 'row');
  return counts.failed ? `${done}, ${number(counts.failed)} failed` : done;
}
