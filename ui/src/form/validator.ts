// Owns validation in the form without generated code, which the content policy forbids. Must not know widgets.
import { Validator, type OutputUnit, type Schema as CfSchema } from '@cfworker/json-schema';
import type { ErrorSchema, RJSFSchema, RJSFValidationError, ValidatorType } from '@rjsf/utils';
import type { Schema } from '../api/types';

type Data = Record<string, unknown>;

export const validator: ValidatorType<Data, RJSFSchema> = {
  validateFormData(data, schema, customValidate, transformErrors) {
    void customValidate;
    let errors = check(schema as Schema, data ?? {});
    if (transformErrors) errors = transformErrors(errors);
    return { errors, errorSchema: tree(errors) };
  },
  isValid(schema, data, root) {
    const whole = { ...(schema as Schema), definitions: (root as Schema).definitions };
    return new Validator(whole as CfSchema, '7', true).validate(data).valid;
  },
  rawValidation<R>(schema: RJSFSchema, data?: Data) {
    return { errors: check(schema as Schema, data ?? {}) as R[] };
  },
};

export function check(schema: Schema, data: unknown): RJSFValidationError[] {
  const result = new Validator(schema as CfSchema, '7', false).validate(data);
  if (result.valid) return [];
  return leaves(result.errors).map((unit) => {
    const { path, message } = explain(unit, schema);
    return { name: unit.keyword, property: path.join('.'), message, stack: message, params: { path } };
  });
}

/** Only the innermost complaints: "properties do not match" says nothing when a property is named too. */
function leaves(units: OutputUnit[]): OutputUnit[] {
  const outer = ['properties', 'items', '$ref', 'allOf', 'additionalProperties'];
  const inner = units.filter((unit) => !outer.includes(unit.keyword));
  return inner.length ? inner : units.slice(-1);
}

function explain(unit: OutputUnit, schema: Schema): { path: string[]; message: string } {
  const path = unit.instanceLocation
    .replace(/^#\/?/, '')
    .split('/')
    .filter(Boolean)
    .map((part) => decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~'));
  if (unit.keyword === 'required') {
    const missing = /property "([^"]+)"/.exec(unit.error)?.[1];
    return { path: missing ? [...path, missing] : path, message: 'This is needed.' };
  }
  return { path, message: words(unit, at(schema, path)) };
}

function words(unit: OutputUnit, schema: Schema | undefined): string {
  switch (unit.keyword) {
    case 'type':
      return `This should be ${article(schema?.type)}.`;
    case 'minimum':
      return `At least ${schema?.minimum ?? 'the lower limit'}.`;
    case 'maximum':
      return `At most ${schema?.maximum ?? 'the upper limit'}.`;
    case 'exclusiveMinimum':
      return `More than ${schema?.exclusiveMinimum ?? 'the lower limit'}.`;
    case 'exclusiveMaximum':
      return `Less than ${schema?.exclusiveMaximum ?? 'the upper limit'}.`;
    case 'minLength':
      return schema?.minLength === 1 ? 'This is needed.' : `At least ${schema?.minLength} characters.`;
    case 'maxLength':
      return `At most ${schema?.maxLength} characters.`;
    case 'enum':
      return 'Choose one of the choices.';
    case 'pattern':
      return `This does not have the expected form (${schema?.pattern}).`;
    case 'format':
      return `This is not a valid ${schema?.format}.`;
    default:
      return unit.error;
  }
}

function article(type: Schema['type']): string {
  const one = Array.isArray(type) ? type[0] : type;
  const names: Record<string, string> = {
    integer: 'a whole number',
    number: 'a number',
    string: 'text',
    boolean: 'yes or no',
    array: 'a list',
    object: 'a group of values',
  };
  return names[one ?? ''] ?? 'another kind of value';
}

function at(schema: Schema, path: string[]): Schema | undefined {
  let here: Schema | undefined = schema;
  for (const part of path) {
    const ref: string | undefined = here?.$ref?.split('/').pop();
    if (ref) here = schema.definitions?.[ref];
    here = here?.properties?.[part] ?? here?.items;
  }
  return here;
}

/** Errors by path in the shape the form library shows them in. */
export function tree(errors: { params?: { path?: string[] }; message?: string }[]): ErrorSchema<Data> {
  const root: Record<string, unknown> = {};
  for (const error of errors) {
    let node = root;
    for (const part of error.params?.path ?? []) {
      node[part] ??= {};
      node = node[part] as Record<string, unknown>;
    }
    node.__errors = [...((node.__errors as string[] | undefined) ?? []), error.message ?? ''];
  }
  return root as ErrorSchema<Data>;
}
