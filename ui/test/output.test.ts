// Owns the tests of how outputs are told apart. Must not know React.
import { describe, expect, it } from 'vitest';
import type { Schema } from '../src/api/types';
import {
  deref,
  isRows,
  joinChunks,
  kindOf,
  scoreWords,
  shown,
  sortedScores,
  topScore,
} from '../src/output/kind';

describe('kindOf', () => {
  it.each<[string, Schema, unknown]>([
    ['nothing', {}, null],
    ['scores', { 'x-onstage-type': 'scores' }, { a: 1 }],
    ['tableFile', { 'x-onstage-type': 'table' }, '/v1/files/abc/content'],
    ['table', { 'x-onstage-type': 'table' }, [{ a: 1 }]],
    [
      'table',
      {},
      [
        { a: 1, b: 'x' },
        { a: null, b: 'y' },
      ],
    ],
    ['image', {}, 'data:image/png;base64,AA=='],
    ['tableFile', {}, 'data:text/csv;base64,AA=='],
    ['audio', { 'x-onstage-type': 'audio' }, '/v1/files/abc/content'],
    ['file', {}, '/v1/files/abc/content?name=a.zip'],
    ['file', {}, 'http://127.0.0.1:8484/lab/v1/files/abc/content'],
    ['text', {}, 'see /v1/files/abc for more'],
    ['markdown', { 'x-onstage-type': 'markdown' }, '# hi'],
    ['plot', {}, { $schema: 'https://vega.github.io/schema/vega-lite/v5.json', mark: 'bar' }],
    ['number', {}, 0],
    ['yesno', {}, false],
    ['record', {}, { name: 'x', nested: { a: [1] } }],
    ['list', {}, ['data:image/png;base64,AA==', 'data:image/png;base64,AB==']],
    ['json', {}, [1, 2, 3]],
    ['json', {}, {}],
  ])('%s', (kind, schema, value) => expect(kindOf(schema, value)).toBe(kind));

  it('believes the value when the schema promises something else', () => {
    expect(kindOf({ 'x-onstage-type': 'scores' }, 'oops')).toBe('text');
    expect(kindOf({ 'x-onstage-type': 'image' }, { a: 1 })).toBe('record');
  });
});

it('follows references, also optional ones, and survives circles', () => {
  const schemas: Record<string, Schema> = {
    A: { $ref: '#/components/schemas/B' },
    B: { type: 'number' },
    C: { $ref: '#/components/schemas/C' },
  };
  expect(deref({ anyOf: [{ $ref: '#/components/schemas/A' }, { type: 'null' }] }, schemas).type).toBe(
    'number',
  );
  expect(deref({ $ref: '#/components/schemas/C' }, schemas)).toEqual({});
});

it('sorts scores and measures them against one when they are shares', () => {
  expect(sortedScores({ a: 0.2, b: 0.7, c: 0.1 }).map((s) => [s.label, s.share])).toEqual([
    ['b', 0.7],
    ['a', 0.2],
    ['c', 0.1],
  ]);
  expect(sortedScores({ a: 5, b: 10 }).map((s) => s.share)).toEqual([1, 0.5]);
  expect(sortedScores({ a: 0 })[0]?.share).toBe(0);
});

it('writes shares as percent and other scores with the same places', () => {
  const shares = { a: 0.55, b: 0.4499, c: 0.0001 };
  expect(Object.values(shares).map(scoreWords(shares))).toEqual([
    '55.0\u202f%',
    '45.0\u202f%',
    '<0.1\u202f%',
  ]);
  expect(topScore(shares)).toBe('a (55.0\u202f%)');
  const others = { a: 12.3456, b: 0.5 };
  expect(Object.values(others).map(scoreWords(others))).toEqual(['12.3', '0.5']);
  expect(scoreWords({ a: 0.9999, b: 0.0001 })(0.9999)).toBe('>99.9\u202f%');
});

it('joins streamed text and leaves other pieces apart', () => {
  expect(joinChunks({ 'x-cog-array-display': 'concatenate' }, ['a', 'b'])).toBe('ab');
  expect(joinChunks({}, [{ a: 1 }, { a: 2 }])).toEqual([{ a: 1 }, { a: 2 }]);
  expect(shown({ 'x-cog-array-type': 'iterator', 'x-cog-array-display': 'concatenate' }, ['a', 'b'])).toBe(
    'ab',
  );
  expect(shown({ type: 'array' }, ['a', 'b'])).toEqual(['a', 'b']);
});

it('takes only flat rows for a table', () => {
  expect(isRows([{ a: 1 }, { a: { b: 1 } }])).toBe(false);
  expect(isRows([])).toBe(false);
});
