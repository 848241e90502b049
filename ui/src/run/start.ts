// Owns the start of a prediction: one request whose answer is the event stream, a finished record, or a
// promise of one. Must not know the form or the screen.
import { eventsPath, predictAsk, prediction, type AskedModel } from '../api/calls';
import { followLog, isStream, readStream, type OnEvent } from '../api/follow';
import { send } from '../api/http';
import type { Prediction } from '../api/types';
import { isFinal } from './view';

export interface Watcher {
  onId: (id: string) => void;
  onRecord: (record: Prediction) => void;
  onEvent: OnEvent;
  /** The number of the last event seen, to resume after. */
  seen: () => number;
  id: () => string | null;
}

export async function startRun(
  asked: AskedModel,
  input: Record<string, unknown>,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> {
  const { path, json } = predictAsk(asked, input);
  const response = await send(path, {
    json,
    headers: { accept: 'text/event-stream, application/json;q=0.5' },
    signal,
  });
  const id = idFromLocation(response.headers.get('location'));
  if (id) watcher.onId(id);
  if (isStream(response)) {
    const over = await readStream(response, watcher.onEvent).catch((error: unknown) => {
      // A stream that breaks is resumed below; one whose run was never named cannot be.
      if (signal.aborted || !watcher.id()) throw error;
      return false;
    });
    if (over) return;
  } else {
    const record = (await response.json()) as Prediction;
    watcher.onRecord(record);
    if (isFinal(record.status)) return;
  }
  const known = watcher.id();
  if (known) await watchRun(known, watcher, signal);
}

/** Watches a run that exists: its record first, then its log from where we are. */
export async function watchRun(id: string, watcher: Watcher, signal: AbortSignal): Promise<void> {
  const record = await prediction(id);
  if (signal.aborted) return;
  watcher.onRecord(record);
  if (isFinal(record.status)) return;
  await followLog(eventsPath(id), watcher.seen(), watcher.onEvent, signal);
  if (signal.aborted) return;
  // The log may have ended without its last word; the record always knows.
  watcher.onRecord(await prediction(id));
}

export const idFromLocation = (location: string | null): string | null =>
  /\/v1\/predictions\/([a-z0-9_-]+)/.exec(location ?? '')?.[1] ?? null;
