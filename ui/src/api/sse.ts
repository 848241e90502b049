// Owns the reading of a server-sent event stream, piece by piece. Must not know what events mean.
import type { RunEvent } from './types';

const EVENT_CHARS_MAX = 8 * 1024 * 1024;

/** Feed it text as it comes; it returns the events that became complete. */
export class SseParser {
  private rest = '';

  feed(text: string): RunEvent[] {
    this.rest += text;
    if (this.rest.length > EVENT_CHARS_MAX) throw new Error('an event of the stream is too large to show');
    const events: RunEvent[] = [];
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.rest);
      if (!end) return events;
      const block = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      const event = parseBlock(block);
      if (event) events.push(event);
    }
  }
}

function parseBlock(block: string): RunEvent | null {
  let name = 'message';
  let id: number | null = null;
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    if (line === '' || line.startsWith(':')) continue;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'id') id = /^\d+$/.test(value) ? Number(value) : null;
    else if (field === 'data') data.push(value);
  }
  if (!data.length) return null;
  return { id, event: name, data: parseData(data.join('\n')) };
}

function parseData(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : { value };
  } catch {
    return { value: text };
  }
}
