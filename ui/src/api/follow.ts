// Owns the following of a run's event log: stream first, resume where it broke, long poll where streams do not
// pass. Must not know what the events mean, except that `completed` is the last.
import { send } from './http';
import { Problem } from './problem';
import { SseParser } from './sse';
import type { RunEvent } from './types';

const STREAM_TRIES_MAX = 3;
const POLL_TRIES_MAX = 8;
const BACKOFF_FIRST_MS = 400;
const BACKOFF_MAX_MS = 8000;
const POLL_WAIT_S = 20;

export type OnEvent = (event: RunEvent) => void;

/** Reads an open event stream to its end. True when the run's last event was in it. */
export async function readStream(response: Response, onEvent: OnEvent): Promise<boolean> {
  const reader = response.body?.getReader();
  if (!reader) return false;
  const decoder = new TextDecoder();
  const parser = new SseParser();
  for (;;) {
    const { done, value } = await reader.read();
    const text = done ? decoder.decode() + '\n\n' : decoder.decode(value, { stream: true });
    for (const event of parser.feed(text)) {
      onEvent(event);
      if (event.event === 'completed') {
        void reader.cancel().catch(() => undefined);
        return true;
      }
    }
    if (done) return false;
  }
}

export const isStream = (response: Response): boolean =>
  (response.headers.get('content-type') ?? '').startsWith('text/event-stream');

/** Follows the log at `path` after event `after` until the run is over or `signal` says stop. */
export async function followLog(path: string, after: number, onEvent: OnEvent, signal: AbortSignal) {
  let seen = after;
  const note: OnEvent = (event) => {
    if (event.id !== null) seen = Math.max(seen, event.id);
    onEvent(event);
  };
  for (let tries = 0; tries < STREAM_TRIES_MAX; tries += 1) {
    const before = seen;
    try {
      if (await streamOnce(path, seen, note, signal)) return;
    } catch (error) {
      if (signal.aborted || isFinalAnswer(error)) throw error;
    }
    if (seen > before) tries = 0;
    await pause(backoff(tries), signal);
  }
  await poll(path, () => seen, note, signal);
}

async function streamOnce(path: string, after: number, note: OnEvent, signal: AbortSignal): Promise<boolean> {
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (after >= 0) headers['last-event-id'] = String(after);
  const response = await send(path, { headers, signal });
  if (!isStream(response)) throw new TypeError('not an event stream');
  return readStream(response, note);
}

interface PollAnswer {
  events: RunEvent[];
  next: number;
  final: boolean;
}

async function poll(path: string, seen: () => number, note: OnEvent, signal: AbortSignal): Promise<void> {
  let after = seen();
  for (let tries = 0; tries < POLL_TRIES_MAX; tries += 1) {
    try {
      const response = await send(`${path}?after=${Math.max(after, 0)}&wait=${POLL_WAIT_S}`, { signal });
      const answer = (await response.json()) as PollAnswer;
      answer.events.forEach(note);
      after = Math.max(answer.next ?? after, seen());
      if (answer.final || answer.events.some((e) => e.event === 'completed')) return;
      tries = -1;
    } catch (error) {
      if (signal.aborted || isFinalAnswer(error)) throw error;
      await pause(backoff(tries), signal);
    }
  }
  throw new Problem({ detail: 'The connection to the server was lost. Reload to continue watching.' }, 0);
}

/** A refusal that asking again cannot change. */
function isFinalAnswer(error: unknown): boolean {
  return error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429;
}

const backoff = (tries: number): number => Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** tries);

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}
