// Owns the tests of how a training's events become lines, and of names of datasets. Must not know the screen.
import { describe, expect, it } from 'vitest';
import type { DatasetPreview, RunEvent, Training } from '../src/api/types';
import { nameOfFile, partsOf, typedRows, wrongName } from '../src/data/names';
import { formSchema } from '../src/form/schema';
import { firstView, measured, plotOf, seriesOf, withEvents } from '../src/train/view';

const record = (more: Partial<Training> = {}): Training => ({
  id: 't1',
  model: 'lab/flowers',
  version: 'f00',
  input: {},
  output: null,
  error: null,
  logs: 'told already\n',
  status: 'starting',
  created_at: '2026-01-01T00:00:00.000Z',
  destination: 'lab/flowers',
  promote: false,
  gates: [],
  datasets: ['iris@v1'],
  seed: 1,
  resumed: null,
  checkpoints: [],
  ...more,
});
let id = 0;
const event = (name: string, data: Record<string, unknown>): RunEvent => ({ id: ++id, event: name, data });
const metric = (step: number | null, loss: number) => event('metric', { values: { loss }, step });
const steps = (view: ReturnType<typeof firstView>) => view.series.loss?.map((p) => [p.run, p.step, p.value]);

describe('a watched training', () => {
  it('takes its log from the events while it runs, and from the record when it is over', () => {
    const running = withEvents(firstView(record(), 0), [event('log', { data: 'told already\n' })]);
    expect(running.run.logs.map((line) => line.text)).toEqual(['told already']);
    expect(firstView(record({ status: 'failed' }), 0).run.logs).toHaveLength(1);
  });

  it('replaces the steps that a run does again after a checkpoint', () => {
    const first = [event('start', { run: 1 }), metric(1, 9), metric(2, 8), metric(3, 7)];
    const before = withEvents(firstView(record(), 0), first);
    const after = withEvents(before, [event('start', { run: 2 }), metric(2, 6)]);
    expect(steps(after)).toEqual([
      [1, 1, 9],
      [2, 2, 6],
    ]);
    expect(steps(before), 'the view before stays as it was').toHaveLength(3);
  });

  it('counts where the model names no step, and takes no event twice', () => {
    const events = [metric(null, 5), metric(null, 4)];
    const view = withEvents(withEvents(firstView(record(), 0), events), events);
    expect(steps(view)).toEqual([
      [0, 1, 5],
      [0, 2, 4],
    ]);
  });

  it('ends with the record that its last event carries', () => {
    const done = record({ status: 'succeeded', metrics: { loss: 1, predict_time: 3 } });
    const view = withEvents(firstView(record(), 0), [event('completed', { record: done })]);
    expect(view.run.status).toBe('succeeded');
    expect(measured(view.record)).toEqual({ loss: 1 });
  });

  it('draws many points thinned, and the last one always', () => {
    const told = Array.from({ length: 1001 }, (_, step) => ({ step, value: step, run: 1 }));
    const spec = plotOf('loss', seriesOf({ series: { loss: told }, last: {} }).loss ?? []);
    const { values } = spec.data as { values: { step: number }[] };
    expect(values.length).toBeLessThanOrEqual(402);
    expect(values.at(-1)?.step).toBe(1000);
  });
});

describe('datasets', () => {
  it('are named after their files', () => {
    expect(nameOfFile('My Labels (2).csv')).toBe('my-labels-2');
    expect(nameOfFile('Größe.tar.gz')).toBe('gro-e');
    expect(nameOfFile('---.csv')).toBe('data');
    expect([nameOfFile('iris.csv'), nameOfFile('x'.repeat(80))].map(wrongName)).toEqual([null, null]);
    expect(['', 'Labels', '-a', 'a-', 'a b'].map(wrongName)).not.toContain(null);
  });

  it('are named in inputs with or without a version', () => {
    expect(partsOf('labels')).toEqual({ name: 'labels', version: null });
    expect(partsOf('labels@v12')).toEqual({ name: 'labels', version: 12 });
  });

  it('have numbers where the column has them', () => {
    const columns = [
      { name: 'a', type: 'number', missing: 0 },
      { name: 'zip', type: 'text', missing: 0 },
    ];
    const preview = { columns, rows: [{ a: '1.5', zip: '01' }, { a: '' }] } as unknown as DatasetPreview;
    expect(typedRows(preview)).toEqual([{ a: 1.5, zip: '01' }, { a: '' }]);
  });

  it('have an input of their own in a form', () => {
    const data = { type: 'string', format: 'dataset', 'x-onstage-type': 'dataset' };
    const { schema, ui } = formSchema({ Input: { type: 'object', properties: { data } } });
    expect(ui.data).toEqual({ 'ui:widget': 'dataset' });
    expect(schema.properties?.data?.format).toBeUndefined();
  });
});
