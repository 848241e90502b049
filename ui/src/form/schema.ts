// Owns the way from a model's Input schema to what the form library takes: order, widgets, folds. Pure.
// Must not know React.
import type { Schema } from '../api/types';

export interface FormSchema {
  schema: Schema;
  ui: Record<string, unknown>;
  /** Names of top-level inputs that are folded away under "More options". */
  advanced: string[];
}

type Named = Record<string, Schema>;

const CHOICES_AS_RADIO_MAX = 5;
const LINE_CHARS_MAX = 120;
const ALWAYS_SHOWN = 3;
// How the SDK's users write "a day" when they have no better word for it.
const DAY_PATTERN = '^\\d{4}-\\d{2}-\\d{2}$';
const FILE_TYPES = ['file', 'image', 'audio', 'video', 'table'];

export function formSchema(schemas: Named): FormSchema {
  const input = schemas.Input ?? { type: 'object', properties: {} };
  const definitions: Named = {};
  for (const [name, schema] of Object.entries(schemas)) {
    if (name !== 'Input' && name !== 'Output') definitions[name] = plain(schema);
  }
  const schema = { ...plain(input), definitions, title: undefined, description: undefined };
  const ui = { ...uiOf(input, schemas), 'ui:globalOptions': { enableOptionalDataFieldForType: ['object'] } };
  return { schema, ui, advanced: advancedOf(input) };
}

/** Inputs in the order of the function's parameters. */
export function ordered(schema: Schema): string[] {
  const names = Object.keys(schema.properties ?? {});
  const place = (name: string): number => schema.properties?.[name]?.['x-order'] ?? Number.MAX_SAFE_INTEGER;
  return names
    .map((name, index) => ({ name, index }))
    .sort((a, b) => place(a.name) - place(b.name) || a.index - b.index)
    .map((entry) => entry.name);
}

function advancedOf(input: Schema): string[] {
  const required = new Set(input.required ?? []);
  return ordered(input)
    .slice(ALWAYS_SHOWN)
    .filter((name) => !required.has(name));
}

/** The schema without what the form library would misread: null types, formats of files, foreign references. */
function plain(schema: Schema): Schema {
  const next: Schema = { ...withoutNull(schema) };
  if (next.$ref) next.$ref = next.$ref.replace('#/components/schemas/', '#/definitions/');
  if ([...FILE_TYPES, 'dataset'].includes(next['x-onstage-type'] ?? '')) delete next.format;
  // A list of anything: the form library draws no list whose items nobody describes.
  if (next['x-onstage-type'] === 'tensor') next.items = {};
  if (next.default === null) delete next.default;
  if (next.properties) {
    const properties: Named = {};
    for (const name of ordered(next)) properties[name] = plain(next.properties[name] as Schema);
    next.properties = properties;
  }
  if (next.items) next.items = plain(next.items);
  if (next.anyOf) next.anyOf = next.anyOf.map(plain);
  if (next.additionalProperties && typeof next.additionalProperties === 'object') {
    next.additionalProperties = plain(next.additionalProperties);
  }
  return next;
}

/** An optional value is its value, or nothing: the form leaves nothing out instead of sending null. */
export function withoutNull(schema: Schema): Schema {
  const { anyOf, allOf, ...rest } = schema;
  delete rest.nullable;
  const options = anyOf?.filter((option) => option.type !== 'null');
  if (anyOf && options?.length === 1) return withoutNull({ ...options[0], ...rest });
  if (allOf?.length === 1) return withoutNull({ ...allOf[0], ...rest });
  const next: Schema = { ...rest, ...(options ? { anyOf: options } : {}), ...(allOf ? { allOf } : {}) };
  if (Array.isArray(next.type)) {
    const types = next.type.filter((type) => type !== 'null');
    next.type = types.length === 1 ? types[0] : types;
  }
  if (next.enum) next.enum = next.enum.filter((value) => value !== null);
  return next;
}

function uiOf(schema: Schema, schemas: Named, depth = 0): Record<string, unknown> {
  const own = withoutNull(schema);
  const target = own.$ref ? (schemas[own.$ref.split('/').pop() ?? ''] ?? own) : own;
  const ui: Record<string, unknown> = {};
  const widget = widgetOf(target);
  if (widget) ui['ui:widget'] = widget;
  if (target.properties && depth < 8) {
    ui['ui:order'] = ordered(target);
    for (const name of ordered(target)) {
      ui[name] = uiOf(target.properties[name] as Schema, schemas, depth + 1);
    }
  }
  if (target.items && depth < 8) ui.items = uiOf(target.items, schemas, depth + 1);
  return ui;
}

export function widgetOf(schema: Schema): string | null {
  const kind = schema['x-onstage-type'];
  if (kind && FILE_TYPES.includes(kind)) return kind;
  if (kind === 'dataset') return 'dataset';
  if (kind === 'tensor') return 'json';
  if (kind === 'secret' || schema.format === 'password') return 'secret';
  if (schema.enum) return schema.enum.length <= CHOICES_AS_RADIO_MAX ? 'choice' : 'pick';
  if (schema.type === 'boolean') return 'toggle';
  if (schema.type === 'number' || schema.type === 'integer') return bounded(schema) ? 'slider' : 'box';
  if (schema.type === 'array' && isNumeric(schema.items)) return 'numbers';
  if (schema.type === 'string') {
    if (schema.format === 'date' || schema.pattern === DAY_PATTERN) return 'day';
    if (schema.format === 'date-time') return 'moment';
    if (schema.format === 'uri' && !kind) return 'line';
    return (schema.maxLength ?? 0) > LINE_CHARS_MAX || kind === 'markdown' ? 'paragraph' : 'line';
  }
  return null;
}

const isNumeric = (items: Schema | undefined): boolean =>
  items !== undefined && !items.enum && (items.type === 'number' || items.type === 'integer');

export const bounded = (schema: Schema): boolean =>
  Number.isFinite(schema.minimum ?? schema.exclusiveMinimum) &&
  Number.isFinite(schema.maximum ?? schema.exclusiveMaximum);

export const isFile = (schema: Schema | undefined): boolean =>
  schema !== undefined && FILE_TYPES.includes(withoutNull(schema)['x-onstage-type'] ?? '');

/** What is sent: nothing that was left empty. */
export function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (value === null || typeof value !== 'object') return value;
  const next: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || item === null) continue;
    next[key] = withoutEmpty(item);
  }
  return next;
}

/** Values of an earlier run, as far as this form has places for them. */
export function fitting(input: Record<string, unknown>, schema: Schema): Record<string, unknown> {
  const names = Object.keys(schema.properties ?? {});
  return withoutEmpty(
    Object.fromEntries(Object.entries(input).filter(([name]) => names.includes(name))),
  ) as Record<string, unknown>;
}

/** The values a fresh form starts with: what is given, and defaults where nothing is. */
export function withDefaults(values: Record<string, unknown>, schema: Schema): Record<string, unknown> {
  const next = { ...values };
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const own = withoutNull(property);
    if (next[name] === undefined && own.default !== undefined && own.default !== null)
      next[name] = own.default;
  }
  return next;
}
