// Owns the tests of months, money and bars of usage. Must not know the screen.
import { describe, expect, it } from 'vitest';
import type { UsageLine } from '../src/api/types';
import { barsOf, money, monthOf } from '../src/data/usage';

describe('usage', () => {
  it('counts months in UTC, over the turn of the year too', () => {
    const now = Date.parse('2026-01-31T23:30:00Z');
    expect(monthOf(now, 0)).toMatchObject({ since: '2026-01-01', until: '2026-02-01' });
    expect(monthOf(now, 2)).toMatchObject({ since: '2025-11-01', until: '2025-12-01' });
  });

  it('writes money in cents, and does not call little nothing', () => {
    const said = [0, 0.00001, 0.0012, 0.019, 12.345].map(money);
    expect(said).toEqual(['0.00 USD', 'less than 0.0001 USD', '0.0012 USD', '0.02 USD', '12.35 USD']);
  });

  it('has a bar for every day of the month', () => {
    const lines = [{ day: '2026-02-03', usd: 2 }] as UsageLine[];
    const spec = barsOf(lines, '2026-02-01', '2026-03-01');
    const { values } = spec.data as { values: { day: string; date: number; usd: number }[] };
    expect(values).toHaveLength(28);
    expect(values[2]).toEqual({ day: '2026-02-03', date: 3, usd: 2 });
    expect(values.filter((v) => v.usd > 0)).toHaveLength(1);
    expect(spec.description).toContain('2026-02-03');
  });
});
