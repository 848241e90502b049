// Owns the bringing in of a dataset: drop or choose a file, name it, send it, watch it go. Must not know who
// uses it.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { asProblem, type Problem } from '../api/problem';
import type { Dataset, DatasetVersion } from '../api/types';
import { SENDING_FIRST, type Sending } from '../api/sending';
import { goesOn, uploadDataset } from '../api/upload';
import { ProblemNotice } from '../parts/bits';
import { DropZone } from '../parts/dropzone';
import { bytes } from '../parts/format';
import { SendingBar } from '../parts/sending';
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
        hint="A table (CSV, JSON Lines, Parquet, Arrow), an archive of files, or anything else"
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
  const [sending, setSending] = useState<Sending | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [stopped, setStopped] = useState(false);
  const abort = useRef<AbortController | null>(null);
  const queries = useQueryClient();
  useEffect(() => () => abort.current?.abort(), []);
  const send = (name: string, file: File): void => {
    const controller = new AbortController();
    abort.current = controller;
    setProblem(null);
    setStopped(false);
    setSending(SENDING_FIRST);
    uploadDataset(name, file, setSending, controller.signal)
      .then((version) => {
        void queries.invalidateQueries({ queryKey: ['datasets'] });
        void queries.invalidateQueries({ queryKey: ['dataset', name] });
        void queries.invalidateQueries({ queryKey: ['dataset-preview', name, 'newest'] });
        onDone(version);
      })
      .catch((error: unknown) => {
        setSending(null);
        if (controller.signal.aborted) setStopped(true);
        else setProblem(asProblem(error));
      });
  };
  return { sending, stopped, problem, send, stop: () => abort.current?.abort() };
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
  const { sending, stopped, problem, send, stop } = useSending(onDone);
  const wrong = wrongName(name);
  const there = known.find((d) => d.name === name);
  const start = (): void => {
    if (!wrong && !sending) send(name, file);
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
            disabled={sending !== null}
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
      {stopped && (
        <p className="fine" role="status">
          It was stopped. {goesOn(file) ? 'Upload goes on where it was.' : ''}
        </p>
      )}
      {sending && <SendingBar sending={sending} />}
      <div className="row">
        <button
          type="button"
          className="button small primary"
          disabled={Boolean(wrong) || sending !== null}
          onClick={start}
        >
          Upload
        </button>
        <button type="button" className="button small" onClick={sending ? stop : onBack}>
          {sending ? 'Stop' : 'Another file'}
        </button>
      </div>
    </div>
  );
}
