// Owns the tests of the small pure parts: formats, tables, problems, addresses, mapping. Must not know React.
import { describe, expect, it } from 'vitest';
import { pointerPath, Problem } from '../src/api/problem';
import { resolveLink, scriptBase } from '../src/app/base';
import { safePlace } from '../src/app/session';
import { accepts, csvOfText, nameOf } from '../src/form/files';
import { numbersIn } from '../src/form/numbers';
import { csvOf, headLength, rowsOfCsv, rowsOfJsonLines } from '../src/grid/table';
import type { Batch } from '../src/api/types';
import {
  batchOutcome,
  mapComplete,
  mappingOf,
  namesFiles,
  refusedArchive,
  refusedTable,
  templateOf,
} from '../src/pages/mapping';
import { ago, bytes, duration, number, plainText, sentence, summary } from '../src/parts/format';
import { correctionValue } from '../src/run/correction';
import { idFromLocation } from '../src/run/start';
import { detailWords, queueWords, readinessWords } from '../src/run/words';

describe('formats', () => {
  it.each([
    [0.004, '4 ms'],
    [0.25, '0.3 s'],
    [2, '2 s'],
    [59.4, '59 s'],
    [185, '3 min 5 s'],
    [7800, '2 h 10 min'],
    [90000, '1 d 1 h'],
  ])('duration of %s', (seconds, words) => expect(duration(seconds)).toBe(words));
  it('numbers stay short and honest', () => {
    expect(number(0.1 + 0.2)).toBe('0.3');
    expect(number(1234567)).toBe('1\u202f234\u202f567');
    expect(number(0.000012345)).toBe('1.234e-5');
    expect(number(-12345678.12345)).toBe('-12\u202f345\u202f678.1');
    expect(number(1815)).toBe('1815');
    expect(number(1.23456789)).toBe('1.2346');
    expect(bytes(1536)).toBe('1.5 kB');
  });
  it('times are near or a date', () => {
    const now = Date.parse('2026-05-02T12:00:00Z');
    expect(ago('2026-05-02T11:59:50Z', now)).toBe('just now');
    expect(ago('2026-05-02T11:50:00Z', now)).toBe('10 min ago');
    expect(ago('2026-05-01T09:00:00Z', now)).toBe('yesterday');
  });
  it('summaries hide bytes', () => {
    expect(summary({ image: 'data:image/png;base64,AAAA', n: 3 })).toBe('image: picture · n: 3');
    expect(summary({ note: '', tags: [], kind: 'a', on: false })).toBe('kind: a · on: no');
    expect(summary('x'.repeat(200))).toHaveLength(80);
  });
});

describe('words of others', () => {
  it('lose their Markdown where only a line fits', () => {
    expect(plainText('It takes **all** of [this](https://x.y) and `that_one`,\n_truly_.')).toBe(
      'It takes all of this and that_one, truly.',
    );
    expect(plainText('2 * 3 * 4, snake_case_name')).toBe('2 * 3 * 4, snake_case_name');
  });
  it('begin like a sentence, unless they begin with a name', () => {
    expect(sentence('give an image')).toBe('Give an image');
    expect(sentence('`image` is empty')).toBe('`image` is empty');
    expect(sentence('max_length is 3')).toBe('max_length is 3');
  });
});

describe('tables', () => {
  it('come from CSV with types, without empty lines and byte-order mark', () => {
    expect(rowsOfCsv('\ufeffa,b\n1,x\n\n2.5,"y, z"\n')).toEqual({
      columns: ['a', 'b'],
      rows: [
        { a: 1, b: 'x' },
        { a: 2.5, b: 'y, z' },
      ],
      cut: false,
    });
    expect(rowsOfCsv('a\n1\n2\n3\n', 2)).toMatchObject({ rows: [{ a: 1 }, { a: 2 }], cut: true });
  });
  it('come from JSON lines', () => expect(rowsOfJsonLines('{"a":1}\n{"b":2}\n').columns).toEqual(['a', 'b']));
  it('cannot smuggle formulas into a spreadsheet', () => {
    expect(csvOf({ columns: ['a'], rows: [{ a: '=1+1' }] })).toBe('a\n"\'=1+1"');
  });
  it('are cut at a line end', () => {
    const head = new TextEncoder().encode('a,b\n1,2\n3,4\n');
    expect(headLength(head, 100)).toBe(12);
    expect(headLength(head, 10)).toBe(8);
  });
  it('are pasted from spreadsheets', () => {
    expect(csvOfText('a\tb\n1\t"x", y\n')).toBe('a,b\n1,"""x"", y"');
    expect(csvOfText('just words')).toBeUndefined();
  });
});

describe('problems', () => {
  it('find their field', () => {
    expect(pointerPath('/input/photo')).toEqual(['photo']);
    expect(pointerPath('/place/na~1me')).toEqual(['place', 'na/me']);
    expect(pointerPath('')).toEqual([]);
  });
  it('say something even when the server did not', () => {
    expect(new Problem({}, 502).message).toContain('502');
    expect(
      new Problem({ errors: [{ pointer: '/input/x', expected: 'a number', got: 'text' }] }, 422).fields,
    ).toEqual([{ pointer: '/input/x', message: 'Expected a number, got text.' }]);
  });
});

describe('addresses', () => {
  it('come from where the script is', () => {
    expect(scriptBase('http://h/assets/index.js')).toBe('/');
    expect(scriptBase('https://h/lab/on/assets/index.js')).toBe('/lab/on/');
  });
  it('stay on this origin', () => {
    expect(resolveLink('/v1/x', '/lab/', 'http://h')).toBe('/lab/v1/x');
    expect(resolveLink('/lab/v1/x', '/lab/', 'http://h')).toBe('/lab/v1/x');
    expect(resolveLink('http://h/lab/v1/x?a=1', '/lab/', 'http://h')).toBe('/lab/v1/x?a=1');
    expect(resolveLink('http://evil/v1/x', '/', 'http://h')).toBeNull();
    expect(resolveLink('//evil/v1/x', '/', 'http://h')).toBeNull();
    expect(resolveLink('javascript:alert(1)', '/', 'http://h')).toBeNull();
  });
  it('after the login lead nowhere else', () => {
    expect(safePlace('/m/lab/age?x=1')).toBe('/m/lab/age?x=1');
    for (const bad of [null, '', 'https://evil', '//evil', '/\\evil', '/login'])
      expect(safePlace(bad)).toBe('/');
  });
  it('name the run a request started', () => {
    expect(idFromLocation('/lab/v1/predictions/01jabc')).toBe('01jabc');
    expect(idFromLocation('http://h/v1/predictions/a_b-c/events')).toBe('a_b-c');
    expect(idFromLocation(null)).toBeNull();
  });
});

describe('mapping', () => {
  it('knows which columns name files that must come along', () => {
    const photo = { type: ['string', 'null'], 'x-onstage-type': 'image', title: 'Photo' };
    const input = { properties: { photo, zone: { type: 'string' } } };
    const named = (cell: unknown): string[] =>
      namesFiles(input as never, { photo: 'p', zone: 'z' }, [{ p: null, z: 'a.jpg' }, { p: cell }]);
    expect(named('deep/a.jpg')).toEqual(['Photo']);
    for (const cell of ['', null, 'data:,x', 'onstage://files/1', '/v1/files/1/content'])
      expect(named(cell)).toEqual([]);
    expect(refusedArchive('a.zip') ?? refusedArchive('b.TAR.GZ')).toBeNull();
    expect(refusedArchive('a.jpg')).toContain('ZIP or TAR');
  });
  const input = { type: 'object', required: ['a'], properties: { a: { title: 'A thing' }, b: {} } };
  it('takes suggestions without gaps', () => expect(mappingOf({ a: 'x', b: null })).toEqual({ a: 'x' }));
  it('starts with a table of the right columns and the plain examples', () => {
    const examples = [{ input: { a: 'x', b: 2 } }, { input: { a: '@x.png' } }, { input: { a: [1] } }];
    expect(templateOf(input, examples)).toEqual({
      columns: ['a', 'b'],
      rows: [{ a: 'x', b: 2 }],
      cut: false,
    });
  });
  it('says what to do with a workbook', () => {
    expect(refusedTable('a.csv')).toBeNull();
    expect(refusedTable('a.PARQUET')).toBeNull();
    expect(refusedTable('a.feather')).toBeNull();
    expect(refusedTable('a.xlsx')).toContain('as CSV');
    expect(refusedTable('a.pdf')).toContain('It takes CSV');
  });
  it('tells all rows from some and none', () => {
    const batch = (done: number, failed: number, status = 'succeeded') =>
      batchOutcome({ status, counts: { total: 2, done, failed } } as Batch);
    expect([batch(2, 0), batch(1, 1), batch(0, 2), batch(1, 1, 'processing')]).toEqual([
      'all',
      'some',
      'none',
      'open',
    ]);
  });
  it('names what is still needed', () => {
    expect(mapComplete(input, {})).toEqual(['A thing']);
    expect(mapComplete(input, { a: 'x' })).toEqual([]);
  });
});

describe('files', () => {
  it('are named kindly', () => {
    expect(nameOf('data:image/png;base64,AAAA')).toBe('Picture, 3 B');
    expect(nameOf('/v1/files/01j/content?name=plan.csv')).toBe('plan.csv');
  });
  it('must fit the field', () => {
    const file = (name: string, type: string) => ({ name, type }) as File;
    expect(accepts(file('a.png', 'image/png'), 'image')).toBe(true);
    expect(accepts(file('a.pdf', 'application/pdf'), 'image')).toBe(false);
    expect(accepts(file('a.parquet', ''), 'table')).toBe(true);
  });
});

it('reads numbers however they are separated', () => {
  expect(numbersIn('[1, 2.5;3\n4]')).toEqual([1, 2.5, 3, 4]);
  expect(numbersIn('1 two')).toEqual([1, 'two']);
  expect(numbersIn('  ')).toBeUndefined();
});

it('reads a correction as the kind of the answer', () => {
  expect(correctionValue('7', { '7': 0.2, '1': 0.8 })).toBe('7');
  expect(correctionValue('7', 3)).toBe(7);
  expect(correctionValue('seven', 3)).toBe('seven');
});

it('explains waiting and readiness', () => {
  expect(queueWords({ ahead: 3, eta_s: 12 })).toBe('3 before you, about 12 s');
  expect(queueWords({ position: 1 })).toBe('You are next');
  expect(queueWords({ ahead: 0, eta_s: 2, text: 'next to start' })).toBe('You are next, about 2 s');
  expect(queueWords({ ahead: 0, text: 'starts again soon' })).toBe('Starts again soon');
  expect(queueWords(null)).toBe('');
  expect(detailWords('loading', 'loading')).toBe('');
  expect(detailWords('loading', 'loading, about 4 s')).toBe('About 4 s');
  expect(detailWords('installing', 'numpy 2.1')).toBe('Numpy 2.1');
  expect(readinessWords({ state: 'asleep' }).label).toBe('Asleep');
  expect(readinessWords({ state: 'asleep' }, true).label).toBe('Starts when asked');
  expect(readinessWords(undefined).label).toBe('No version yet');
});
