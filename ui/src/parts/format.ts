// Owns how numbers, times and sizes are written for people. Must not know what they measure.

/** Seconds in words: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '';
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${trim(seconds.toFixed(1))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', Math.round(seconds % 60), 's');
  if (seconds < 86400) return two(Math.floor(seconds / 3600), 'h', Math.round((seconds % 3600) / 60), 'min');
  return two(Math.floor(seconds / 86400), 'd', Math.round((seconds % 86400) / 3600), 'h');
}

const two = (a: number, unitA: string, b: number, unitB: string): string =>
  b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`;

const trim = (text: string): string => text.replace(/\.0$/, '');

/** How long between two times, or nothing when one is missing. */
export function between(from?: string | null, to?: string | null): string {
  if (!from || !to) return '';
  return duration(Math.max(0, Date.parse(to) - Date.parse(from)) / 1000);
}

/** `just now`, `5 min ago`, `yesterday`, or the date. */
export function ago(time: string, now: number): string {
  const seconds = (now - Date.parse(time)) / 1000;
  if (!Number.isFinite(seconds)) return '';
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 172800) return 'yesterday';
  return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

export const fullTime = (time: string): string =>
  new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const DIGITS = 5;
const GROUPED_FROM = 10_000;

/** A number as short as it can be without hiding what matters: five digits, and never less than its whole part. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value)) return grouped(String(value), size);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(3);
  const whole = Math.floor(Math.log10(size)) + 1;
  return grouped(String(Number(value.toPrecision(Math.max(DIGITS, whole + 1)))), size);
}

/** Years and other short numbers are read as they are; long ones in groups of three. */
function grouped(text: string, size: number): string {
  if (size < GROUPED_FROM || text.includes('e')) return text;
  const [whole = '', rest] = text.split('.');
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return rest === undefined ? groups : `${groups}.${rest}`;
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = size / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? trim(value.toFixed(1)) : Math.round(value)} ${units[unit]}`;
}

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${number(n)} ${n === 1 ? one : many}`;

/** What the author wrote in Markdown, as plain words: for places where only a line or two fit. */
export const plainText = (markdown: string): string =>
  markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*(#{1,6}|[-*+>])\s+/gm, '')
    .replace(/(\*\*|__|`+)(.+?)\1/g, '$2')
    .replace(/(^|\W)[*_](\S.*?)[*_](?=\W|$)/g, '$1$2')
    .replace(/\s+/g, ' ')
    .trim();

/** A sentence of a program, made to stand alone: names that start it stay as they are. */
export const sentence = (text: string): string =>
  /^[a-z]+([\s,;]|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;

/** What kind of thing a file is, in a word people use. */
export function mediaWords(media: string): string {
  const [family = '', form = ''] = media.split('/');
  const words: Record<string, string> = { image: 'picture', audio: 'recording', video: 'video' };
  if (words[family]) return words[family];
  if (/csv|parquet|arrow/.test(form)) return 'table';
  return 'file';
}

/** One line that reminds of a value: for lists of runs. */
export function summary(value: unknown, charsMax = 80): string {
  const text = brief(value);
  return text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text;
}

function brief(value: unknown): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') {
    if (value.startsWith('data:')) return mediaWords(value.slice(5, value.search(/[;,]/)));
    if (/\/v1\/files\/|^onstage:/.test(value)) return 'file';
    return value.replace(/\s+/g, ' ');
  }
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.length > 4 ? `${value.length} values` : value.map(brief).join(', ');
  return Object.entries(value)
    .filter(([, item]) => !isEmpty(item))
    .map(([key, item]) => `${key}: ${brief(item)}`)
    .join(' · ');
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
