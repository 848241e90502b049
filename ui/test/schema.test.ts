// Owns the tests of how a model's schema becomes a form. Must not know React.
import { describe, expect, it } from 'vitest';
import type { Schema } from '../src/api/types';
import {
  fitting,
  formSchema,
  ordered,
  widgetOf,
  withDefaults,
  withoutEmpty,
  withoutNull,
} from '../src/form/schema';
import { check, tree } from '../src/form/validator';

const input: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['photo', 'draws'],
  properties: {
    zone: { type: 'string', enum: ['N', 'S'], default: 'N', 'x-order': 1 },
    photo: { type: 'string', format: 'uri', 'x-onstage-type': 'image', 'x-order': 0 },
    place: { anyOf: [{ $ref: '#/components/schemas/Place' }, { type: 'null' }], 'x-order': 4 },
    draws: { type: 'integer', minimum: 1, maximum: 50, 'x-order': 3 },
    note: { type: ['string', 'null'], nullable: true, default: null, 'x-order': 2 },
  },
};
const schemas = {
  Input: input,
  Output: { type: 'number' },
  Place: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
} satisfies Record<string, Schema>;

describe('formSchema', () => {
  it('keeps the order of the parameters', () => {
    expect(ordered(input)).toEqual(['photo', 'zone', 'note', 'draws', 'place']);
  });

  it('folds away optional parameters after the third, never required ones', () => {
    expect(formSchema(schemas).advanced).toEqual(['place']);
  });

  it('moves references and drops nulls', () => {
    const { schema } = formSchema(schemas);
    expect(schema.properties?.place?.$ref).toBe('#/definitions/Place');
    expect(schema.definitions).toHaveProperty('Place');
    expect(schema.definitions).not.toHaveProperty('Output');
    expect(schema.properties?.note).not.toHaveProperty('default');
    expect(schema.properties?.note?.type).toBe('string');
    expect(schema.properties?.photo).not.toHaveProperty('format');
  });
});

describe('widgetOf', () => {
  it.each<[string, Schema]>([
    ['image', { type: 'string', 'x-onstage-type': 'image' }],
    ['secret', { type: 'string', format: 'password', 'x-onstage-type': 'secret' }],
    ['choice', { type: 'string', enum: ['a', 'b', 'c', 'd', 'e'] }],
    ['pick', { type: 'string', enum: ['a', 'b', 'c', 'd', 'e', 'f'] }],
    ['toggle', { type: 'boolean' }],
    ['slider', { type: 'number', minimum: 0, maximum: 1 }],
    ['box', { type: 'number', minimum: 0 }],
    ['day', { type: 'string', format: 'date' }],
    ['day', { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' }],
    ['paragraph', { type: 'string', maxLength: 500 }],
    ['line', { type: 'string', maxLength: 100 }],
    ['numbers', { type: 'array', items: { type: 'number' } }],
    ['json', { type: ['array', 'object'], 'x-onstage-type': 'tensor' }],
  ])('%s', (widget, schema) => expect(widgetOf(schema)).toBe(widget));

  it('leaves lists and groups to the library', () => {
    expect(widgetOf({ type: 'array', items: { type: 'string' } })).toBeNull();
    expect(widgetOf({ type: 'object' })).toBeNull();
  });
});

describe('values', () => {
  it('start with the defaults, but what is given wins', () => {
    expect(withDefaults({}, input)).toEqual({ zone: 'N' });
    expect(withDefaults({ zone: 'S' }, input)).toEqual({ zone: 'S' });
  });
  it('of an earlier run are taken where they fit', () => {
    expect(fitting({ zone: 'S', gone: 1, note: null }, input)).toEqual({ zone: 'S' });
  });
  it('are sent without what was left empty', () => {
    expect(withoutEmpty({ a: undefined, b: null, c: { d: undefined, e: 0 }, f: [1, ''] })).toEqual({
      c: { e: 0 },
      f: [1, ''],
    });
  });
  it('see an optional type as the type', () => {
    expect(withoutNull({ type: ['integer', 'null'], nullable: true, minimum: 1 })).toEqual({
      type: 'integer',
      minimum: 1,
    });
  });
});

describe('check', () => {
  const { schema } = formSchema(schemas);
  const errors = (data: unknown) => check(schema, data).map((e) => [e.property, e.message]);

  it('accepts what fits', () =>
    expect(errors({ photo: 'data:image/png;base64,AA==', draws: 3 })).toEqual([]));
  it('names what is missing', () => expect(errors({ draws: 3 })).toEqual([['photo', 'This is needed.']]));
  it('names the limit', () => expect(errors({ photo: 'x', draws: 99 })).toEqual([['draws', 'At most 50.']]));
  it('speaks of kinds plainly', () =>
    expect(errors({ photo: 'x', draws: 'many' })).toEqual([['draws', 'This should be a whole number.']]));
  it('reaches into groups', () =>
    expect(errors({ photo: 'x', draws: 1, place: {} })).toEqual([['place.name', 'This is needed.']]));
  it('makes a tree the form can show', () =>
    expect(tree(check(schema, { photo: 'x', draws: 1, place: {} }))).toEqual({
      place: { name: { __errors: ['This is needed.'] } },
    }));
});
