// Owns one watched run for a component: start it, watch it, cancel it. Must not know how it looks.
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { cancelPrediction, prediction } from '../api/calls';
import { asProblem, type Problem } from '../api/problem';
import type { Prediction } from '../api/types';
import { startRun, watchRun, type Watcher } from './start';
import { blankView, isFinal, whileWaiting, withEvent, withRecord, type RunView } from './view';

const QUEUE_REFRESH_MS = 1_500;

export interface Run {
  view: RunView | null;
  problem: Problem | null;
  busy: boolean;
  /** On the live version, or on the one that is named. */
  start: (owner: string, name: string, input: Record<string, unknown>, version?: string) => void;
  watch: (id: string) => void;
  cancel: () => void;
  clear: () => void;
}

export function useRun(): Run {
  const [view, setView] = useState<RunView | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const current = useRef<RunView | null>(null);
  const abort = useRef<AbortController | null>(null);
  const queries = useQueryClient();

  const put = useCallback((next: RunView | null) => {
    current.current = next;
    setView(next);
  }, []);

  const go = useCallback(
    (work: (watcher: Watcher, signal: AbortSignal) => Promise<void>) => {
      abort.current?.abort();
      const controller = new AbortController();
      abort.current = controller;
      setProblem(null);
      put(blankView(Date.now()));
      const change = (f: (v: RunView) => RunView): void => {
        if (!controller.signal.aborted && current.current) put(f(current.current));
      };
      const watcher: Watcher = {
        onId: (id) => change((v) => ({ ...v, id })),
        onRecord: (record: Prediction) => change((v) => withRecord(v, record)),
        onEvent: (event) => change((v) => withEvent(v, event)),
        seen: () => current.current?.seq ?? -1,
        id: () => current.current?.id ?? null,
      };
      work(watcher, controller.signal)
        .catch((error: unknown) => {
          if (controller.signal.aborted) return;
          setProblem(asProblem(error));
          if (!current.current?.record) put(null);
        })
        .finally(() => {
          if (!controller.signal.aborted) void queries.invalidateQueries({ queryKey: ['runs'] });
        });
    },
    [put, queries],
  );

  useEffect(() => () => abort.current?.abort(), []);
  // Events tell when something happens; how the queue moves meanwhile stands in the record.
  const waitsFor = view?.status === 'starting' && view.phase !== 'canceling' ? view.id : null;
  useEffect(() => {
    if (!waitsFor) return;
    const timer = setInterval(() => {
      prediction(waitsFor)
        .then((record) => {
          const now = current.current;
          if (now?.id === waitsFor && now.status === 'starting') put(whileWaiting(now, record));
        })
        // The event stream tells of a lost connection.
        .catch(() => undefined);
    }, QUEUE_REFRESH_MS);
    return () => clearInterval(timer);
  }, [waitsFor, put]);

  const start = useCallback<Run['start']>(
    (owner, name, input, version) =>
      go((watcher, signal) => startRun({ owner, name, version }, input, watcher, signal)),
    [go],
  );
  const watch = useCallback((id: string) => go((watcher, signal) => watchRun(id, watcher, signal)), [go]);
  const clear = useCallback(() => {
    abort.current?.abort();
    setProblem(null);
    put(null);
  }, [put]);
  const cancel = useCallback(() => {
    const id = current.current?.id;
    if (!id) return clear();
    if (current.current) put({ ...current.current, phase: 'canceling', phaseText: '' });
    cancelPrediction(id)
      .then((record) => current.current && put(withRecord(current.current, record)))
      .catch((error: unknown) => setProblem(asProblem(error)));
  }, [clear, put]);

  return { view, problem, busy: view !== null && !isFinal(view.status), start, watch, cancel, clear };
}
