// Owns the tests of how a run's events become what is known about it. Must not know the screen.
import { describe, expect, it } from 'vitest';
import type { Prediction, RunEvent } from '../src/api/types';
import { blankView, splitLogs, whileWaiting, withEvent, withRecord } from '../src/run/view';

const event = (id: number | null, name: string, data: Record<string, unknown> = {}): RunEvent => ({
  id,
  event: name,
  data,
});
const record = (more: Partial<Prediction> = {}): Prediction => ({
  id: 'r1',
  model: 'lab/age',
  version: 'f00',
  input: {},
  output: 7,
  error: null,
  logs: '',
  status: 'succeeded',
  created_at: '2026-01-01T00:00:00.000Z',
  ...more,
});
const after = (...events: RunEvent[]) => events.reduce(withEvent, blankView(0));

describe('a watched run', () => {
  it('goes from the queue over loading to running', () => {
    const queued = after(event(0, 'queued', { ahead: 2, eta_s: 4, phase: 'queued', prediction: 'r1' }));
    expect(queued).toMatchObject({ id: 'r1', status: 'starting', phase: 'queued', queue: { ahead: 2 } });
    const loading = withEvent(queued, event(1, 'phase', { phase: 'loading', text: 'about 4 s' }));
    expect(loading).toMatchObject({ phase: 'loading', phaseText: 'about 4 s' });
    const running = withEvent(loading, event(2, 'start'));
    expect(running).toMatchObject({ status: 'processing', phase: 'running', queue: null, phaseText: '' });
  });

  it('computes once the model tells how far it is, whatever the last phase was', () => {
    const loading = after(event(0, 'start'), event(1, 'phase', { phase: 'loading', text: 'loading' }));
    expect(loading.phase).toBe('loading');
    const t = '2026-01-01T00:00:05.000Z';
    const running = withEvent(loading, event(2, 'progress', { done: 1, total: 9, t }));
    expect(running).toMatchObject({ phase: 'running', phaseText: '', runningAt: Date.parse(t) });
    const stopping = withEvent(
      { ...running, phase: 'canceling' },
      event(3, 'progress', { done: 2, total: 9 }),
    );
    expect(stopping.phase).toBe('canceling');
  });

  it('learns its place while it waits, and nothing else, from a record', () => {
    const queued = after(event(0, 'queued', { ahead: 9, prediction: 'r1' }));
    const asked = record({
      status: 'starting',
      phase: 'loading',
      queue: { ahead: 3, eta_s: 8 },
      output: null,
    });
    expect(whileWaiting(queued, asked)).toMatchObject({
      phase: 'loading',
      queue: { ahead: 3 },
      record: null,
    });
    expect(whileWaiting(queued, record())).toBe(queued);
  });

  it('counts each event once, also the first one with number 0', () => {
    const twice = after(
      event(0, 'output', { chunk: 'a' }),
      event(1, 'output', { chunk: 'b' }),
      event(0, 'output', { chunk: 'a' }),
      event(1, 'output', { chunk: 'b' }),
    );
    expect(twice.chunks).toEqual(['a', 'b']);
  });

  it('takes events without numbers as they come', () => {
    expect(after(event(null, 'output', { chunk: 1 }), event(null, 'output', { chunk: 1 })).chunks).toEqual([
      1, 1,
    ]);
  });

  it('splits log lines and keeps their level', () => {
    const view = after(event(1, 'log', { level: 'warning', data: 'one\ntwo\n' }));
    expect(view.logs).toEqual([
      { text: 'one', level: 'warning' },
      { text: 'two', level: 'warning' },
    ]);
  });

  it('ends with the record, whichever way it is wrapped', () => {
    expect(after(event(5, 'completed', { record: record() })).record?.output).toBe(7);
    expect(after(event(5, 'completed', { ...record() })).status).toBe('succeeded');
  });

  it('ignores words it does not know', () => {
    const view = after(event(4, 'confetti', { much: true }));
    expect(view).toMatchObject({ status: 'sending', seq: 4 });
  });

  it('does not lose live log lines to an older record', () => {
    const live = after(event(1, 'log', { data: 'a' }), event(2, 'log', { data: 'b' }));
    expect(withRecord(live, record({ status: 'processing', logs: 'a\n' })).logs).toHaveLength(2);
    expect(withRecord(live, record({ logs: 'a\nb\nc\n' })).logs).toHaveLength(3);
  });

  it('drops the progress bar when the run is over', () => {
    const live = after(event(1, 'progress', { done: 3, total: 4 }));
    expect(withRecord(live, record()).progress).toBeNull();
  });

  it('keeps only the last log lines', () => {
    expect(splitLogs(Array.from({ length: 5000 }, (_, i) => i).join('\n')).at(-1)?.text).toBe('4999');
    expect(splitLogs(Array.from({ length: 5000 }, (_, i) => i).join('\n'))).toHaveLength(2000);
  });
});
