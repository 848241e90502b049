// Owns the tests of the event stream parser. Must not know what events mean.
import { describe, expect, it } from 'vitest';
import { SseParser } from '../src/api/sse';

const all = (parser: SseParser, ...pieces: string[]) => pieces.flatMap((piece) => parser.feed(piece));

describe('SseParser', () => {
  it('reads whole events with their numbers', () => {
    const events = all(new SseParser(), 'id: 3\nevent: progress\ndata: {"done":1,"total":4}\n\n');
    expect(events).toEqual([{ id: 3, event: 'progress', data: { done: 1, total: 4 } }]);
  });

  it('does not care where the stream is cut', () => {
    const text =
      'retry: 2000\n\n: ping\n\nid: 1\r\nevent: log\r\ndata: {"data":"grüße"}\r\n\r\nid: 2\nevent: start\ndata: {}\n\n';
    const whole = all(new SseParser(), text);
    for (let cut = 1; cut < text.length; cut += 1) {
      expect(all(new SseParser(), text.slice(0, cut), text.slice(cut))).toEqual(whole);
    }
    expect(whole.map((e) => e.event)).toEqual(['log', 'start']);
  });

  it('joins several data lines and keeps what is not JSON', () => {
    const events = all(new SseParser(), 'event: output\ndata: two\ndata: lines\n\n');
    expect(events).toEqual([{ id: null, event: 'output', data: { value: 'two\nlines' } }]);
  });

  it('says nothing for comments and empty blocks', () => {
    expect(all(new SseParser(), ': a\n\n', '\n\n', 'id: 9\n\n')).toEqual([]);
  });
});
