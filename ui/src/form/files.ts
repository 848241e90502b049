// Owns how a chosen file becomes an input value: small ones travel inside it, large ones are uploaded first.
// Must not know widgets.
import type { OnSending } from '../api/sending';
import { upload } from '../api/upload';
import { bytes, mediaWords, sentence } from '../parts/format';

export const INLINE_BYTES_MAX = 256 * 1024;

/** The value that is sent, and an address the browser can show it from. */
export interface Chosen {
  value: string;
  show: string;
  name: string;
  size: number;
}

const behind = new Map<string, File>();

/** The file that a preview address stands for. */
export const fileBehind = (show: string): File | undefined => behind.get(show);

export async function choose(file: File, onSending: OnSending, signal: AbortSignal): Promise<Chosen> {
  const show = URL.createObjectURL(file);
  behind.set(show, file);
  const facts = { show, name: file.name, size: file.size };
  if (file.size <= INLINE_BYTES_MAX) return { ...facts, value: await dataUrl(file) };
  const stored = await upload(file, onSending, signal);
  return { ...facts, value: `onstage://files/${stored.id}` };
}

export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error('this file cannot be read'));
    reader.readAsDataURL(file);
  });
}

/** What a value that was not chosen here is called: an example's file, an earlier run's. */
export function nameOf(value: string): string {
  const media = /^data:([^;,]*)/.exec(value)?.[1];
  if (media !== undefined) return sentence(`${mediaWords(media)}, ${bytes(dataSize(value))}`);
  const named = /[?&]name=([^&#]+)/.exec(value)?.[1];
  if (named) return decodeURIComponent(named);
  const path = value.split(/[?#]/)[0] ?? value;
  return decodeURIComponent(
    path
      .replace(/\/content$/, '')
      .split('/')
      .pop() ?? 'file',
  );
}

function dataSize(value: string): number {
  const comma = value.indexOf(',');
  const length = value.length - comma - 1;
  return value.slice(0, comma).endsWith(';base64') ? Math.floor((length * 3) / 4) : length;
}

/** Does the file fit what the field takes? Extensions decide where browsers know no media type. */
export function accepts(file: File, kind: string): boolean {
  if (kind === 'file') return true;
  if (kind === 'table')
    return (
      /\.(csv|tsv|jsonl|ndjson|parquet|arrow|feather|txt)$/i.test(file.name) || file.type.includes('csv')
    );
  return file.type.startsWith(`${kind}/`) || file.type === '';
}

export const ACCEPT: Record<string, string | undefined> = {
  image: 'image/*',
  audio: 'audio/*',
  video: 'video/*',
  table: '.csv,.tsv,.jsonl,.ndjson,.parquet,.arrow,.feather,text/csv',
  file: undefined,
};

/** Cells copied from a spreadsheet come as lines of tabs; they travel as a small CSV file. */
export function csvOfPaste(clipboard: { getData: (type: string) => string }): File | undefined {
  const csv = csvOfText(clipboard.getData('text'));
  return csv === undefined ? undefined : new File([csv], 'pasted.csv', { type: 'text/csv' });
}

export function csvOfText(text: string): string | undefined {
  if (text.includes('\t')) {
    return text
      .trimEnd()
      .split(/\r?\n/)
      .map((line) => line.split('\t').map(cell).join(','))
      .join('\n');
  }
  return text.includes('\n') ? text : undefined;
}

const cell = (text: string): string => (/[",]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);

/** The same input with its files kept on the server, so that it is small. */
export async function uploaded(value: unknown): Promise<Record<string, unknown>> {
  return (await outOfLine(value)) as Record<string, unknown>;
}

async function outOfLine(value: unknown): Promise<unknown> {
  if (typeof value === 'string' && value.startsWith('data:')) return keptFile(value);
  if (Array.isArray(value)) return Promise.all(value.map(outOfLine));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(async ([key, item]) => [key, await outOfLine(item)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

async function keptFile(url: string): Promise<string> {
  const comma = url.indexOf(',');
  const [media = '', ...how] = url.slice('data:'.length, comma).split(';');
  const rest = url.slice(comma + 1);
  const text = how.includes('base64') ? atob(rest) : decodeURIComponent(rest);
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const file = new File([bytes], `input.${media.split('/')[1] ?? 'bin'}`, { type: media });
  const stored = await upload(file, () => undefined, new AbortController().signal);
  return `onstage://files/${stored.id}`;
}
