// Owns what is read out of a report of usage: months, days, money in words, the bars. Pure. Must not know React.
import type { UsageLine } from '../api/types';

/** The first day of a month in UTC, `back` months before the one of `now`, and of the month after it. */
export function monthOf(now: number, back: number): { since: string; until: string; label: string } {
  const date = new Date(now);
  const first = (ahead: number): Date =>
    new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - back + ahead));
  const label = first(0).toLocaleDateString(undefined, { month: 'long', year: 'numeric', timeZone: 'UTC' });
  return { since: day(first(0)), until: day(first(1)), label };
}

const day = (date: Date): string => date.toISOString().slice(0, 10);

/** Cents, or more digits where it is less than one. */
export function money(usd: number): string {
  if (usd <= 0) return '0.00 USD';
  if (usd < 0.0001) return 'less than 0.0001 USD';
  return `${usd.toFixed(usd < 0.01 ? 4 : 2)} USD`;
}

/** One bar for each day of the month, also where nothing was computed. */
export function barsOf(lines: UsageLine[], since: string, until: string): Record<string, unknown> {
  const usd = new Map(lines.map((line) => [line.day, line.usd]));
  const values: { day: string; usd: number }[] = [];
  for (const at = new Date(since); day(at) < until; at.setUTCDate(at.getUTCDate() + 1))
    values.push({ day: day(at), usd: usd.get(day(at)) ?? 0 });
  const top = values.reduce((a, b) => (b.usd > a.usd ? b : a));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    description: `Cost by day in USD; the most on ${top.day}: ${money(top.usd)}`,
    height: 200,
    data: { values: values.map((value) => ({ ...value, date: Number(value.day.slice(8)) })) },
    mark: { type: 'bar', cornerRadiusEnd: 2, tooltip: true },
    encoding: {
      x: {
        field: 'date',
        type: 'ordinal',
        title: 'day of the month (UTC)',
        axis: { labelAngle: 0, labelOverlap: true },
      },
      y: { field: 'usd', type: 'quantitative', title: 'USD', axis: { tickCount: 4, format: '~g' } },
    },
  };
}
