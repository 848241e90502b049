// Owns the models that the imitation shows: the shapes of the real examples. Must not be used by tests.
import { readFileSync } from 'node:fs';

export const CSP =
  "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const obj = (properties, required = []) => ({
  type: 'object',
  title: 'Input',
  properties,
  required,
  additionalProperties: false,
});
let number = 0;

function model(name, title, help, Input, Output, more = {}) {
  const {
    background = false,
    streams = false,
    examples = [],
    state = 'asleep',
    ask = [],
    runs = 0,
    extra = {},
  } = more;
  number += 1;
  const id = `${number}`.repeat(64).slice(0, 64);
  const version = {
    id,
    number: 3,
    name: 'v3',
    model: `lab/${name}`,
    created_at: '2026-11-18T09:12:00.000Z',
    state: 'ready',
    live: true,
    schema: { title, help, background, streams, components: { schemas: { Input, Output, ...extra } } },
    examples,
    config: { feedback: { ask } },
  };
  return {
    owner: 'lab',
    name,
    title,
    description: help,
    run_count: runs,
    background,
    latest_version: version,
    live_version_number: 3,
    readiness: { state, workers: state === 'ready' ? 1 : 0, text: '' },
    created_at: version.created_at,
  };
}

const file = (kind, title, order, more = {}) => ({
  type: 'string',
  format: 'uri',
  'x-onstage-type': kind,
  title,
  'x-order': order,
  ...more,
});
const GENDER = { type: 'string', enum: ['female', 'male', 'other'] };
const PAST = {
  type: 'string',
  enum: ['cinema', 'cooking', 'hiking', 'museum', 'reading', 'shopping', 'swimming'],
};
const DAY = { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' };
const KINDS = ['number', 'text', 'rows', 'record', 'tree', 'plot', 'nothing', 'refuse', 'crash'];

export const models = [
  model(
    'digits',
    'Which digit is this?',
    'A forest of randomised trees, trained on 1,297 handwritten digits. Give it a picture, or a table with 64 pixels in each row.',
    obj({
      image: {
        ...file('image', 'Image', 0),
        type: ['string', 'null'],
        nullable: true,
        description: 'Draw a digit, drop a photo of one, or take a sample',
      },
      pixels: {
        type: ['array', 'null'],
        nullable: true,
        items: { type: 'number' },
        title: 'Pixels',
        'x-order': 1,
        description: '64 pixels, row by row, 0 for paper to 16 for ink',
      },
    }),
    { type: 'object', additionalProperties: { type: 'number' }, 'x-onstage-type': 'scores' },
    {
      state: 'ready',
      runs: 1284,
      ask: ['wrong digit', 'unsure', 'hard to read'],
      examples: [0, 3, 4, 7].map((d) => ({ name: `a-${d}`, input: { image: `@${d}.png` } })),
    },
  ),
  model(
    'activity',
    'What shall we do next?',
    'Every call teaches the model: it remembers what people did, and recommends what others who are like you liked.',
    obj(
      {
        gender: { ...GENDER, title: 'Gender', 'x-order': 0, description: 'Who is asking' },
        past_activity: {
          ...PAST,
          title: 'Past activity',
          'x-order': 1,
          description: 'What they did last time',
        },
      },
      ['gender', 'past_activity'],
    ),
    { type: 'object', additionalProperties: { type: 'number' }, 'x-onstage-type': 'scores' },
    {
      state: 'asleep',
      runs: 57,
      examples: [
        { name: 'after-hiking', input: { gender: 'other', past_activity: 'hiking' } },
        { name: 'after-shopping', input: { gender: 'female', past_activity: 'shopping' } },
      ],
    },
  ),
  model(
    'activity-plan',
    'Plan my days',
    'One activity for every day between two dates. The plan follows what the `activity` model has learnt so far.',
    obj({
      start: { ...DAY, title: 'Start', description: 'First day', default: '2026-05-01', 'x-order': 0 },
      end: { ...DAY, title: 'End', description: 'Last day', default: '2026-05-14', 'x-order': 1 },
      gender: {
        ...GENDER,
        title: 'Gender',
        description: 'Who the plan is for',
        default: 'other',
        'x-order': 2,
      },
      samples: {
        type: 'integer',
        minimum: 1,
        maximum: 200,
        default: 10,
        title: 'Samples',
        description: 'How many futures to try for each choice',
        'x-order': 3,
      },
    }),
    { type: 'string', format: 'uri', 'x-onstage-type': 'table' },
    {
      background: true,
      runs: 9,
      examples: [
        {
          name: 'a-week-in-may',
          input: { start: '2026-05-01', end: '2026-05-07', gender: 'female', samples: 3 },
        },
      ],
    },
  ),
  model(
    'heavy',
    'A heavy model',
    'Holds a gigabyte and takes a second, alone or with 99 others: what dynamic batching is for.',
    obj({
      x: {
        type: 'number',
        minimum: -1000,
        maximum: 1000,
        title: 'X',
        description: 'A number',
        default: 1,
        'x-order': 0,
      },
    }),
    { type: 'number' },
    { runs: 0, examples: [{ name: 'one', input: { x: 1 } }] },
  ),
  model(
    'ui-story',
    'A short story',
    'Comes word by word.',
    obj({
      words: { type: 'integer', minimum: 1, maximum: 60, default: 18, title: 'Words', 'x-order': 0 },
      pause_ms: { type: 'integer', minimum: 0, maximum: 2000, default: 120, title: 'Pause ms', 'x-order': 1 },
    }),
    {
      type: 'array',
      items: { type: 'string' },
      'x-cog-array-type': 'iterator',
      'x-cog-array-display': 'concatenate',
    },
    { streams: true, state: 'ready', runs: 3 },
  ),
  model(
    'ui-kinds',
    'Every kind of answer',
    '',
    obj(
      {
        kind: { type: 'string', enum: KINDS, title: 'Kind', 'x-order': 0, description: 'What to answer' },
        note: { type: 'string', maxLength: 400, default: '', title: 'Note', 'x-order': 1 },
        loud: { type: 'boolean', default: false, title: 'Loud', 'x-order': 2 },
        place: {
          anyOf: [{ $ref: '#/components/schemas/Place' }, { type: 'null' }],
          nullable: true,
          title: 'Place',
          'x-order': 3,
        },
        tags: { type: 'array', items: { type: 'string' }, title: 'Tags', default: [], 'x-order': 4 },
        table: { ...file('table', 'Table', 5), type: ['string', 'null'], nullable: true },
      },
      ['kind'],
    ),
    {},
    {
      state: 'ready',
      extra: {
        Place: {
          type: 'object',
          title: 'Place',
          properties: {
            name: { type: 'string', title: 'Name', 'x-order': 0 },
            km: { type: 'number', title: 'Km', default: 1, 'x-order': 1 },
          },
          required: ['name'],
        },
      },
    },
  ),
];

export const versionOf = {
  history: (m) => [
    m.latest_version,
    {
      ...m.latest_version,
      id: 'b'.repeat(64),
      number: 2,
      name: 'v2',
      live: false,
      created_at: '2026-11-10T10:00:00.000Z',
    },
    {
      ...m.latest_version,
      id: 'c'.repeat(64),
      number: 1,
      name: 'v1',
      live: false,
      state: 'failed',
      created_at: '2026-11-01T10:00:00.000Z',
      error: {
        kind: 'import_failed',
        message: "ModuleNotFoundError: No module named 'sklearn'",
        traceback:
          'Traceback (most recent call last):\n  File "model.py", line 3, in <module>\n    import sklearn\nModuleNotFoundError: No module named \'sklearn\'',
      },
    },
  ],
};

export const examplesOf = {
  preview: {
    format: 'csv',
    columns: ['pixels', 'digit'],
    missing: [],
    map: { image: null, pixels: 'pixels' },
    rows: Array.from({ length: 10 }, (_, i) => ({
      pixels: `[0,0,${i},14,12,1,0,0,0,0,4,15,7,10,0,0,0,2,16,15]`,
      digit: i,
    })),
  },
  failed: [
    {
      index: 41,
      status: 'failed',
      input: { image: 'digits/41.png' },
      error: '`image` is not a picture: the file is empty',
    },
    {
      index: 99,
      status: 'failed',
      input: { image: 12 },
      error: { message: '`image` should be text, got a number' },
    },
  ],
};

export async function solve(run, m, emit) {
  const { input } = run;
  const shares = (names, top) =>
    Object.fromEntries(names.map((n) => [n, n === top ? 0.91 : 0.09 / (names.length - 1)]));
  const fail = (reason, error, traceback = null) => Object.assign(run, { reason, error, traceback });
  if (m.name === 'digits') {
    await sleep(200);
    if (!input.image && !input.pixels) return fail('user_error', 'give an image or 64 pixels');
    const read = (d) =>
      readFileSync(new URL(`../../examples/digits/examples/${d}.png`, import.meta.url), 'base64');
    const known = [0, 3, 4, 7].find((d) => input.image?.endsWith(read(d)));
    run.output = shares([...'0123456789'], String(known ?? 1));
  } else if (m.name === 'activity') {
    run.output = shares(
      PAST.enum.filter((p) => p !== input.past_activity),
      'reading',
    );
  } else if (m.name === 'activity-plan') {
    await plan(run, emit);
  } else if (m.name === 'heavy') {
    await sleep(1000);
    run.output = input.x * 0.577;
  } else if (m.name === 'ui-story') {
    const words =
      'Once upon a time a model stood on a stage and people came and asked and it answered first'.split(' ');
    run.output = [];
    for (let i = 0; i < input.words && run.status === 'processing'; i += 1) {
      await sleep(input.pause_ms);
      run.output.push(`${words[i % words.length]} `);
      emit('output', { chunk: `${words[i % words.length]} `, index: i });
    }
  } else {
    if (input.loud) emit('log', { source: 'stdout', level: 'info', data: 'a line for the log' });
    if (input.kind === 'refuse') return fail('user_error', 'the note is not to my taste');
    if (input.kind === 'crash') {
      return fail(
        'exception',
        'RuntimeError: the curtain fell',
        'Traceback (most recent call last):\n  File "model.py", line 52, in kinds\nRuntimeError: the curtain fell',
      );
    }
    run.output = KIND_ANSWERS[input.kind] ?? null;
    if (input.kind === 'record')
      run.output = { name: input.place?.name ?? 'nowhere', tags: input.tags, rows: 2 };
  }
  return undefined;
}

const KIND_ANSWERS = {
  number: 42.5,
  text: 'plain words',
  rows: [
    { city: 'Lima', people: 10 },
    { city: 'Oslo', people: 7 },
    { city: 'Bern', people: 12 },
  ],
  tree: [[1, [2, { deep: true }]], 'leaf'],
  plot: {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    mark: 'line',
    data: { values: Array.from({ length: 20 }, (_, x) => ({ x, y: x * x })) },
    encoding: { x: { field: 'x', type: 'quantitative' }, y: { field: 'y', type: 'quantitative' } },
  },
};

async function plan(run, emit) {
  const { start, end } = run.input;
  const days = (Date.parse(end) - Date.parse(start)) / 86_400_000 + 1;
  if (days < 1)
    return Object.assign(run, { reason: 'user_error', error: 'the last day is before the first' });
  const rows = ['date,weekday,activity,fit'];
  for (let i = 0; i < days && run.status === 'processing'; i += 1) {
    await sleep(60);
    const day = new Date(Date.parse(start) + i * 86_400_000);
    const weekday = day.toLocaleDateString('en', { weekday: 'long' });
    emit('progress', { done: i, total: days, text: `planning ${weekday}` });
    if (i % 5 === 0) emit('log', { source: 'stdout', level: 'info', data: `tried futures for ${weekday}` });
    rows.push(
      `${day.toISOString().slice(0, 10)},${weekday},${PAST.enum[(i * 3) % 7]},${((i * 37) % 100) / 100}`,
    );
  }
  run.output = `data:text/csv;base64,${Buffer.from(`${rows.join('\n')}\n`).toString('base64')}`;
  return undefined;
}
