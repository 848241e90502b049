// Owns the bringing in of a dataset: drop or choose a file, name it, send it, watch it go. Must not know who
// uses it.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { asProblem, type Problem } from '../api/problem';
import type { Dataset, DatasetVersion } from '../api/types';
import { uploadDataset } from '../api/upload';
import { Bar, ProblemNotice } from '../parts/bits';
import { DropZone } from '../parts/dropzone';
import { bytes } from '../parts/format';
import { nameOfFile, wrongName } from './names';
import '../style/data.css';

interface BringProps {
  known: Dataset[];
  /** There are others as well. */
  knowsSome?: boolean;
  /** The dataset that gets a version; asked for when absent. */
  into?: string;
  onDone: (version: DatasetVersion) => void;
}

export function Bring(props: BringProps) {
  const [file, setFile] = useState<File | null>(null);
  if (!file) {
    return (
      <DropZone
        label="New data"
        choose="Choose a file for a dataset"
        invite="Drop a file here, or choose one"
        hint="A table (CSV, JSON Lines, Parquet), an archive of files, or anything else"
        onFile={setFile}
      />
    );
  }
  return (
    <Send
      key={`${file.name}${file.size}${file.lastModified}`}
      {...props}
      file={file}
      onBack={() => setFile(null)}
    />
  );
}

function useSending(onDone: (version: DatasetVersion) => void) {
  const [sent, setSent] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const abort = useRef<AbortController | null>(null);
  const queries = useQueryClient();
  useEffect(() => () => abort.current?.abort(), []);
  const send = (name: string, file: File): void => {
    const controller = new AbortController();
    abort.current = controller;
    setProblem(null);
    setSent(0);
    uploadDataset(name, file, setSent, controller.signal)
      .then((version) => {
        void queries.invalidateQueries({ queryKey: ['datasets'] });
        void queries.invalidateQueries({ queryKey: ['dataset', name] });
        void queries.invalidateQueries({ queryKey: ['dataset-preview', name, 'newest'] });
        onDone(version);
      })
      .catch((error: unknown) => {
        setSent(null);
        if (!controller.signal.aborted) setProblem(asProblem(error));
      });
  };
  return { sent, problem, send, stop: () => abort.current?.abort() };
}

function Send({
  known,
  knowsSome,
  into,
  onDone,
  file,
  onBack,
}: BringProps & { file: File; onBack: () => void }) {
  const id = useId();
  const [name, setName] = useState(into ?? nameOfFile(file.name));
  const { sent, problem, send, stop } = useSending(onDone);
  const wrong = wrongName(name);
  const there = known.find((d) => d.name === name);
  const start = (): void => {
    if (!wrong && sent === null) send(name, file);
  };
  return (
    <div className="bring">
      <p>
        <strong className="bring-file">{file.name}</strong> <span className="fine">{bytes(file.size)}</span>
      </p>
      {into === undefined && (
        <div className="stack-tight">
          <label htmlFor={id}>Name of the dataset</label>
          <input
            id={id}
            className="input"
            value={name}
            disabled={sent !== null}
            autoComplete="off"
            aria-invalid={wrong ? true : undefined}
            aria-describedby={`${id}-said`}
            onChange={(e) => setName(e.target.value)}
            onKeyDown={(e) => {
              if (e.key !== 'Enter') return;
              // This may stand inside a form, which must not be sent by it.
              e.preventDefault();
              start();
            }}
          />
          <span id={`${id}-said`} className={wrong ? 'field-error' : 'fine'}>
            {wrong ??
              (there
                ? `Adds a version to ${name}; the ones before stay.`
                : knowsSome
                  ? 'A new dataset, or a version of the one that has this name.'
                  : 'A new dataset.')}
          </span>
        </div>
      )}
      {problem && <ProblemNotice problem={problem} again={start} />}
      {sent !== null && (
        <div>
          <span className="fine" role="status">
            {sent < 1 ? `Uploading… ${Math.round(sent * 100)} %` : 'All is sent; the server is storing it.'}
          </span>
          <Bar done={sent} total={1} label="Upload" />
        </div>
      )}
      <div className="row">
        <button
          type="button"
          className="button small primary"
          disabled={Boolean(wrong) || sent !== null}
          onClick={start}
        >
          Upload
        </button>
        <button type="button" className="button small" onClick={sent === null ? onBack : stop}>
          {sent === null ? 'Another file' : 'Stop'}
        </button>
      </div>
    </div>
  );
}
