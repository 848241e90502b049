// Owns one watched training for a component: its record, its events, its end, its cancel. Must not know how it
// looks.
import { useCallback, useEffect, useRef, useState } from 'react';
import { cancelTraining, training, trainingEventsPath, trainingMetrics } from '../api/calls';
import { followLog } from '../api/follow';
import { asProblem, type Problem } from '../api/problem';
import type { RunEvent } from '../api/types';
import { isFinal, whileWaiting } from '../run/view';
import { firstView, seriesOf, withEvents, withTraining, type TrainingView } from './view';

const DRAW_EVERY_MS = 300;
const QUEUE_REFRESH_MS = 1_500;

export interface Watched {
  view: TrainingView | null;
  problem: Problem | null;
  cancel: () => void;
  again: () => void;
}

export function useTraining(id: string): Watched {
  const [view, setView] = useState<TrainingView | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [tries, setTries] = useState(0);
  const current = useRef<TrainingView | null>(null);
  const change = useCallback((f: (view: TrainingView) => TrainingView) => {
    if (!current.current) return;
    current.current = f(current.current);
    setView(current.current);
  }, []);

  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    let waiting: RunEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      clearTimeout(timer);
      timer = undefined;
      const events = waiting;
      waiting = [];
      if (events.length && !signal.aborted) change((v) => withEvents(v, events));
    };
    const note = (event: RunEvent): void => {
      waiting.push(event);
      timer ??= setTimeout(draw, DRAW_EVERY_MS);
    };
    const watch = async (): Promise<void> => {
      const first = await training(id);
      if (signal.aborted) return;
      current.current = firstView(first, Date.now());
      setView(current.current);
      if (isFinal(first.status)) {
        const series = seriesOf(await trainingMetrics(id));
        if (!signal.aborted) change((v) => ({ ...v, series }));
        return;
      }
      await followLog(trainingEventsPath(id), -1, note, signal);
      draw();
      const last = await training(id);
      if (!signal.aborted) change((v) => withTraining(v, last));
    };
    watch().catch((error: unknown) => {
      if (!signal.aborted) setProblem(asProblem(error));
    });
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [id, tries, change]);

  const waits = view?.run.status === 'starting' && view.run.phase !== 'canceling';
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => {
      training(id)
        .then((record) => change((v) => ({ ...v, run: whileWaiting(v.run, record) })))
        // The event stream tells of a lost connection.
        .catch(() => undefined);
    }, QUEUE_REFRESH_MS);
    return () => clearInterval(timer);
  }, [waits, id, change]);

  const cancel = useCallback(() => {
    change((v) => ({ ...v, run: { ...v.run, phase: 'canceling', phaseText: '' } }));
    cancelTraining(id)
      .then((record) => isFinal(record.status) && change((v) => withTraining(v, record)))
      .catch((error: unknown) => setProblem(asProblem(error)));
  }, [id, change]);
  const again = useCallback(() => {
    setProblem(null);
    setTries((n) => n + 1);
  }, []);
  return { view, problem, cancel, again };
}
