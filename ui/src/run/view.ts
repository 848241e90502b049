// Owns what is known about one run while it is watched: a pure fold of records and events into a view.
// Must not know about the network or the screen.
import type { Prediction, ProblemBody, Progress, Queue, RunEvent, Status } from '../api/types';

const LOG_LINES_MAX = 2000;

export interface LogLine {
  text: string;
  level: string;
}

export interface RunView {
  id: string | null;
  status: Status | 'sending';
  phase: string;
  phaseText: string;
  queue: Queue | null;
  progress: Progress | null;
  chunks: unknown[];
  logs: LogLine[];
  record: Prediction | null;
  streamProblem: ProblemBody | null;
  seq: number;
  startedAt: number;
  /** When the computing began, as far as this page knows: what is left is guessed from here. */
  runningAt: number | null;
}

export const blankView = (now: number): RunView => ({
  id: null,
  status: 'sending',
  phase: 'sending',
  phaseText: '',
  queue: null,
  progress: null,
  chunks: [],
  logs: [],
  record: null,
  streamProblem: null,
  seq: -1,
  startedAt: now,
  runningAt: null,
});

export const isFinal = (status: string): boolean =>
  status === 'succeeded' || status === 'failed' || status === 'canceled';

/** A whole record says more than all events before it. */
export function withRecord(view: RunView, record: Prediction): RunView {
  const logs = record.logs ? splitLogs(record.logs) : view.logs;
  return {
    ...view,
    id: record.id,
    status: record.status,
    phase: record.phase ?? view.phase,
    queue: record.queue ?? null,
    progress: record.progress ?? (isFinal(record.status) ? null : view.progress),
    logs: isFinal(record.status) || logs.length >= view.logs.length ? logs : view.logs,
    startedAt: Date.parse(record.created_at) || view.startedAt,
    runningAt: record.started_at ? Date.parse(record.started_at) : view.runningAt,
    record,
  };
}

/** What a record asked for in between adds: place, phase and time. Its ending comes with the events. */
export function whileWaiting(view: RunView, record: Prediction): RunView {
  if (record.status !== 'starting') return view;
  const phase = record.phase ?? view.phase;
  return {
    ...view,
    phase,
    phaseText: phase === view.phase ? view.phaseText : '',
    queue: record.queue ?? null,
  };
}

export function withEvent(view: RunView, event: RunEvent): RunView {
  if (event.id !== null && event.id <= view.seq) return view;
  const next = apply(view, event);
  return event.id === null ? next : { ...next, seq: event.id };
}

function apply(view: RunView, { event, data }: RunEvent): RunView {
  const id = view.id ?? idIn(data);
  switch (event) {
    case 'queued':
      return { ...view, id, status: 'starting', phase: text(data.phase) || 'queued', queue: data as Queue };
    case 'phase':
      return { ...view, id, phase: text(data.phase) || view.phase, phaseText: text(data.text) };
    case 'start':
      return {
        ...view,
        id,
        status: 'processing',
        phase: 'running',
        phaseText: '',
        queue: null,
        runningAt: timeIn(data),
      };
    case 'progress':
      return { ...computing(view, data), id, progress: data as unknown as Progress };
    case 'output':
      return { ...computing(view, data), id, chunks: [...view.chunks, data.chunk] };
    case 'log':
      return { ...view, id, logs: addLog(view.logs, data) };
    case 'completed':
      return completed(view, data);
    case 'error':
      return { ...view, id, streamProblem: (data.problem ?? data) as ProblemBody };
    default:
      // Newer servers may say more; what is not known is not shown.
      return { ...view, id };
  }
}

/** Whatever was said last, a model that tells how far it is or answers in pieces is computing. */
const computing = (view: RunView, data: Record<string, unknown>): RunView =>
  view.phase === 'canceling'
    ? view
    : {
        ...view,
        status: 'processing',
        phase: 'running',
        phaseText: '',
        queue: null,
        runningAt: view.phase === 'running' ? view.runningAt : (timeIn(data) ?? view.runningAt),
      };

function completed(view: RunView, data: Record<string, unknown>): RunView {
  const record = (data.record ?? data) as Prediction;
  return typeof record.id === 'string' ? withRecord({ ...view, queue: null }, record) : view;
}

function idIn(data: Record<string, unknown>): string | null {
  return text(data.prediction) || text(data.id) || null;
}

const timeIn = (data: Record<string, unknown>): number | null => Date.parse(text(data.t)) || null;

function addLog(logs: LogLine[], data: Record<string, unknown>): LogLine[] {
  const lines = splitLogs(text(data.data) || text(data.text)).map((l) => ({
    ...l,
    level: text(data.level) || 'info',
  }));
  return [...logs, ...lines].slice(-LOG_LINES_MAX);
}

export function splitLogs(logs: string): LogLine[] {
  return logs
    .split('\n')
    .filter((line) => line !== '')
    .slice(-LOG_LINES_MAX)
    .map((line) => ({ text: line, level: 'info' }));
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
