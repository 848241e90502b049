// Owns the frame around every input: label, help, error, groups, lists. Must not know what a model is.
import type {
  ArrayFieldItemTemplateProps,
  ArrayFieldTemplateProps,
  FieldTemplateProps,
  ObjectFieldTemplateProps,
  OptionalDataControlsTemplateProps,
  RJSFSchema,
} from '@rjsf/utils';
import { ANY_OF_KEY, buttonId, canExpand } from '@rjsf/utils';
import type { Schema } from '../api/types';

type Data = Record<string, unknown>;
export interface Context {
  advanced: string[];
  errorsAt: string[];
}

export function FieldFrame(props: FieldTemplateProps<Data, RJSFSchema, Context>) {
  const { id, label, required, rawErrors, rawDescription, displayLabel, hidden, children, schema } = props;
  if (hidden) return <div hidden>{children}</div>;
  const own = props.uiSchema?.['ui:widget'] !== undefined;
  const group = !own && (schema.type === 'object' || schema.type === 'array' || ANY_OF_KEY in schema);
  // The entries of a list are counted for those who hear the page; those who see it need no names.
  const item = typeof props.fieldPathId.path.at(-1) === 'number';
  const errors = rawErrors ?? [];
  const needsLabel = (displayLabel !== false || own) && !group && label;
  return (
    <div className={errors.length ? 'field field-wrong' : 'field'} data-field={id}>
      {needsLabel && (
        <div className={item ? 'visually-hidden' : 'field-head'}>
          {props.uiSchema?.['ui:widget'] === 'choice' ? (
            // A group of radio buttons is named as a whole; each button has its own label.
            <span className="field-name" id={`${id}__label`}>
              {label}
            </span>
          ) : (
            <label className="field-name" htmlFor={id} id={`${id}__label`}>
              {label}
            </label>
          )}
          {!required && !item && schema.default === undefined && <span className="fine">optional</span>}
        </div>
      )}
      {needsLabel && rawDescription && (
        <p className="field-help" id={`${id}__help`}>
          {rawDescription}
        </p>
      )}
      {children}
      {errors.length > 0 && (
        <p className="field-error" id={`${id}__error`} role="alert">
          {[...new Set(errors)].join(' ')}
        </p>
      )}
    </div>
  );
}

export function Group(props: ObjectFieldTemplateProps<Data, RJSFSchema, Context>) {
  const { properties, title, description, fieldPathId, schema, uiSchema, formData, registry } = props;
  const root = fieldPathId.path.length === 0;
  const context = registry.formContext;
  const folded = root ? properties.filter((p) => context.advanced.includes(p.name)) : [];
  const open = properties.filter((p) => !folded.includes(p));
  const wrongInside = folded.some((p) => context.errorsAt.includes(p.name));
  const body = (
    <>
      {open.map((p) => p.content)}
      {folded.length > 0 && (
        <details className="fold" open={wrongInside || undefined}>
          <summary>
            More options <span className="fine">{folded.length}</span>
          </summary>
          <div className="fold-body">{folded.map((p) => p.content)}</div>
        </details>
      )}
      {canExpand(schema, uiSchema, formData) && (
        <button type="button" className="button small" onClick={props.onAddProperty}>
          Add an entry
        </button>
      )}
    </>
  );
  if (root) return <div className="fields">{body}</div>;
  return (
    <fieldset className="group" id={fieldPathId.$id}>
      {title && <legend>{title}</legend>}
      {description && <p className="field-help">{description}</p>}
      {props.optionalDataControl}
      <div className="fields">{body}</div>
    </fieldset>
  );
}

export function List(props: ArrayFieldTemplateProps<Data, RJSFSchema, Context>) {
  const { title, items, canAdd, onAddClick, fieldPathId, schema, disabled } = props;
  return (
    <fieldset className="group" id={fieldPathId.$id}>
      {title && <legend>{title}</legend>}
      {schema.description && <p className="field-help">{(schema as Schema).description}</p>}
      {props.optionalDataControl}
      <div className="list">{items}</div>
      {canAdd && (
        <button
          type="button"
          className="button small"
          id={buttonId(fieldPathId, 'add')}
          onClick={onAddClick}
          disabled={disabled}
        >
          Add {items.length ? 'another' : 'one'}
        </button>
      )}
    </fieldset>
  );
}

export function ListItem(props: ArrayFieldItemTemplateProps<Data, RJSFSchema, Context>) {
  const { children, buttonsProps, index } = props;
  return (
    <div className="list-item">
      <div className="list-item-body">{children}</div>
      {buttonsProps.hasRemove && (
        <button
          type="button"
          className="ghost"
          aria-label={`Remove entry ${index + 1}`}
          onClick={buttonsProps.onRemoveItem}
        >
          ✕
        </button>
      )}
    </div>
  );
}

/** A group that may be left out is asked for first: half-filled groups are never sent by accident. */
export function OptionalGroup(props: OptionalDataControlsTemplateProps<Data, RJSFSchema, Context>) {
  const { onAddClick, onRemoveClick } = props;
  if (!onAddClick && !onRemoveClick) return null;
  return (
    <button type="button" className="button small" id={props.id} onClick={onAddClick ?? onRemoveClick}>
      {onAddClick ? 'Fill this in' : 'Leave this out'}
    </button>
  );
}
