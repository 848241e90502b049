// Owns what is known about one training while it is watched: a run, and series of what was measured. Pure.
// Must not know about the network or the screen.
import type { RunEvent, Training, TrainingSeries } from '../api/types';
import { blankView, isFinal, withEvent, withRecord, type RunView } from '../run/view';

export interface Point {
  step: number;
  value: number;
  run: number;
}
export type Series = Record<string, Point[]>;

export interface TrainingView {
  run: RunView;
  record: Training;
  series: Series;
  /** The run of the task that is told of: one more each time it begins again. */
  round: number;
}

const POINTS_MAX = 400;

export const firstView = (record: Training, now: number): TrainingView => {
  // While it runs its log comes with the events, all of it.
  const known = isFinal(record.status) ? record : { ...record, logs: '' };
  return { run: withRecord(blankView(now), known), record, series: {}, round: 0 };
};

export const withTraining = (view: TrainingView, record: Training): TrainingView => ({
  ...view,
  record,
  run: withRecord(view.run, record),
});

/** Folded many at a time: a training may measure thousands of times in a second. */
export function withEvents(view: TrainingView, events: RunEvent[]): TrainingView {
  let { run, record, round } = view;
  const series = { ...view.series };
  const own = new Set<string>();
  for (const event of events) {
    if (event.id !== null && event.id <= run.seq) continue;
    run = withEvent(run, event);
    if (event.event === 'start') round = Number(event.data.run ?? round);
    if (event.event === 'completed' && event.data.record) record = event.data.record as Training;
    if (event.event !== 'metric') continue;
    const values = (event.data.values ?? {}) as Record<string, unknown>;
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== 'number') continue;
      if (!own.has(name)) series[name] = [...(series[name] ?? [])];
      own.add(name);
      add(series[name] ?? [], event.data.step, value, round);
    }
  }
  return { run, record, series, round };
}

function add(points: Point[], told: unknown, value: number, run: number): void {
  const step = typeof told === 'number' ? told : (points.at(-1)?.step ?? 0) + 1;
  // A run that went on from a checkpoint does the steps after it again.
  for (let last = points.at(-1); last && last.run < run && last.step >= step; last = points.at(-1))
    points.pop();
  points.push({ step, value, run });
}

/** What the server gathered, in the same shape. */
export function seriesOf(told: TrainingSeries): Series {
  const series: Series = {};
  for (const [name, points] of Object.entries(told.series)) {
    series[name] = points.map((p, i) => ({ step: p.step ?? i + 1, value: p.value, run: p.run }));
  }
  return series;
}

/** A line over the steps, thinned out to what a screen can show; the last point always stays. */
export function plotOf(name: string, points: Point[]): Record<string, unknown> {
  const every = Math.ceil(points.length / POINTS_MAX);
  const values = points.filter((_, i) => i % every === 0 || i === points.length - 1);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: `${name} by step, ${points.length} values, the last is ${points.at(-1)?.value}`,
    height: 150,
    data: { values: values.map(({ step, value }) => ({ step, value })) },
    mark: { type: 'line', point: values.length < 30, tooltip: true },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: 'step', axis: { grid: false, tickMinStep: 1 } },
      y: { field: 'value', type: 'quantitative', title: null, scale: { zero: false } },
    },
  };
}

/** What was measured, without what the server adds about time. */
export const measured = (training: Training): Record<string, number> =>
  Object.fromEntries(Object.entries(training.metrics ?? {}).filter(([name]) => name !== 'predict_time'));
