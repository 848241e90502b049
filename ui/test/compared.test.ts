// Owns the tests of two versions side by side. Must not know the screen.
import { describe, expect, it } from 'vitest';
import type { Comparison, Lineage } from '../src/api/types';
import { comparedRows } from '../src/train/compared';

const lineage = (more: Partial<Lineage>): Lineage => ({
  training: 't1',
  trainer_model: 'lab/flowers',
  trainer: 'f00',
  trainer_number: 1,
  datasets: ['iris@v1'],
  parameters: {},
  seed: 7,
  resumed: null,
  runs: 1,
  seconds: 3,
  ...more,
});
const told = (one: Lineage | null, two: Lineage | null, more: Partial<Comparison>): Comparison => ({
  versions: [one, two].map((l, i) => ({
    id: `${i}`,
    number: i + 1,
    state: 'ready',
    live: i === 0,
    lineage: l,
  })),
  parameters: {},
  metrics: {},
  ...more,
});
const row = (comparison: Comparison, name: string) => comparedRows(comparison).find((r) => r.name === name);

describe('two versions side by side', () => {
  it('say what differs, and by how much', () => {
    const both = told(lineage({}), lineage({ datasets: ['iris@v2'] }), {
      metrics: { loss: [0.5, 0.25], accuracy: [1, 1] },
      parameters: { data: ['iris@v1', 'iris@v2'], epochs: [40, 60], rate: [0.1, 0.1] },
    });
    expect(row(both, 'metric loss')).toMatchObject({
      cells: ['0.5', '0.25'],
      change: '(−0.25)',
      differs: true,
    });
    expect(row(both, 'metric accuracy')).toMatchObject({ change: '', differs: false });
    expect(row(both, 'data')).toMatchObject({ cells: ['iris@v1', 'iris@v2'], differs: true });
    expect(row(both, 'given epochs')).toMatchObject({ cells: ['40', '60'], differs: true });
    expect(row(both, 'given rate')?.differs).toBe(false);
    expect(row(both, 'given data'), 'data has a row of its own').toBeUndefined();
  });

  it('have gaps where one was only pushed', () => {
    const half = told(null, lineage({}), {
      metrics: { loss: [null, 0.5] },
      parameters: { epochs: [null, 60] },
    });
    expect(row(half, 'metric loss')).toMatchObject({ cells: ['–', '0.5'], change: '' });
    expect(row(half, 'trainer')?.cells).toEqual(['pushed', 'lab/flowers v1']);
    expect(row(half, 'given epochs')?.cells).toEqual(['–', '60']);
  });
});
