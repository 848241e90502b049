// Owns the inputs for words, numbers, choices and dates. Must not know files or the network.
import type { WidgetProps } from '@rjsf/utils';
import { useState } from 'react';
import { number } from '../../parts/format';
import { numbersIn } from '../numbers';

/** What ties an input to its help and its error for those who hear the page. */
export function described(props: WidgetProps): {
  'aria-describedby': string;
  'aria-invalid': boolean | undefined;
} {
  return {
    'aria-describedby': `${props.id}__help ${props.id}__error`,
    'aria-invalid': props.rawErrors?.length ? true : undefined,
  };
}

const orNothing = (text: string): string | undefined => (text === '' ? undefined : text);

function textInput(type: string, autoComplete?: string) {
  return function TextInput(props: WidgetProps) {
    return (
      <input
        {...described(props)}
        className="input"
        id={props.id}
        type={type}
        autoComplete={autoComplete ?? 'off'}
        value={typeof props.value === 'string' ? props.value : ''}
        required={false}
        disabled={props.disabled}
        placeholder={props.placeholder || (props.schema.examples as string[] | undefined)?.[0]}
        onChange={(e) => props.onChange(orNothing(e.target.value))}
      />
    );
  };
}

export const Line = textInput('text');
export const SecretLine = textInput('password', 'new-password');
export const Day = textInput('date');

export function Moment(props: WidgetProps) {
  const local =
    typeof props.value === 'string' ? props.value.replace(/(:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?$/, '$1') : '';
  return (
    <input
      {...described(props)}
      className="input"
      id={props.id}
      type="datetime-local"
      step={1}
      value={local}
      disabled={props.disabled}
      onChange={(e) => props.onChange(e.target.value ? new Date(e.target.value).toISOString() : undefined)}
    />
  );
}

export function Paragraph(props: WidgetProps) {
  const text = typeof props.value === 'string' ? props.value : '';
  return (
    <textarea
      {...described(props)}
      className="input"
      id={props.id}
      rows={Math.min(14, Math.max(4, text.split('\n').length + 1))}
      value={text}
      disabled={props.disabled}
      onChange={(e) => props.onChange(orNothing(e.target.value))}
    />
  );
}

/** Typing "1." or "-" must not lose the text while it is not yet a number. */
function useNumberText(value: unknown): [string, (text: string) => void] {
  const [draft, setDraft] = useState<string | null>(null);
  const settled = typeof value === 'number' ? String(value) : '';
  const text =
    draft !== null && Number(draft) === (value ?? NaN)
      ? draft
      : draft !== null && value === undefined
        ? draft
        : settled;
  return [text, setDraft];
}

export function NumberBox(props: WidgetProps & { className?: string }) {
  const { schema } = props;
  const [text, setText] = useNumberText(props.value);
  const whole = schema.type === 'integer';
  return (
    <input
      {...described(props)}
      className={props.className ?? 'input input-number'}
      id={props.id}
      type="number"
      inputMode={whole ? 'numeric' : 'decimal'}
      step={whole ? 1 : 'any'}
      min={schema.minimum}
      max={schema.maximum}
      value={text}
      disabled={props.disabled}
      onChange={(e) => {
        setText(e.target.value);
        const value = e.target.value.trim() === '' ? NaN : Number(e.target.value);
        props.onChange(Number.isFinite(value) ? value : undefined);
      }}
    />
  );
}

export function Slider(props: WidgetProps) {
  const { schema, value } = props;
  const low = schema.minimum ?? (schema.exclusiveMinimum as number);
  const high = schema.maximum ?? (schema.exclusiveMaximum as number);
  const step = schema.type === 'integer' ? 1 : stepOf(high - low);
  const at = typeof value === 'number' ? value : low;
  return (
    <div className="slider">
      <span className="fine">{number(low)}</span>
      <input
        type="range"
        aria-label={`${props.label}, slider`}
        min={low}
        max={high}
        step={step}
        value={Math.min(high, Math.max(low, at))}
        data-empty={value === undefined || undefined}
        disabled={props.disabled}
        style={{ '--fill': `${(100 * (at - low)) / (high - low || 1)}%` } as React.CSSProperties}
        onChange={(e) => props.onChange(Number(e.target.value))}
      />
      <span className="fine">{number(high)}</span>
      <NumberBox {...props} className="input input-number input-short" />
    </div>
  );
}

/** About a thousand steps, rounded to what reads well. */
function stepOf(range: number): number {
  return 10 ** Math.round(Math.log10((range || 1) / 1000));
}

export function Toggle(props: WidgetProps) {
  return (
    <label className="toggle">
      <input
        {...described(props)}
        id={props.id}
        type="checkbox"
        role="switch"
        checked={props.value === true}
        disabled={props.disabled}
        onChange={(e) => props.onChange(e.target.checked)}
      />
      <span aria-hidden="true" />
      <em>{props.value === true ? 'Yes' : 'No'}</em>
    </label>
  );
}

export function Choice(props: WidgetProps) {
  const options = (props.schema.enum ?? []) as (string | number)[];
  return (
    <div className="choices" role="radiogroup" aria-labelledby={`${props.id}__label`}>
      {options.map((option) => (
        <label key={String(option)} className="choice">
          <input
            type="radio"
            name={props.id}
            checked={props.value === option}
            disabled={props.disabled}
            onChange={() => props.onChange(option)}
          />
          <span>{String(option)}</span>
        </label>
      ))}
    </div>
  );
}

export function Pick(props: WidgetProps) {
  const options = (props.schema.enum ?? []) as (string | number)[];
  const at = options.indexOf(props.value as string);
  return (
    <select
      {...described(props)}
      className="input"
      id={props.id}
      value={at < 0 ? '' : String(at)}
      disabled={props.disabled}
      onChange={(e) => props.onChange(e.target.value === '' ? undefined : options[Number(e.target.value)])}
    >
      <option value="">{props.required ? 'Choose…' : '(none)'}</option>
      {options.map((option, index) => (
        <option key={String(option)} value={index}>
          {String(option)}
        </option>
      ))}
    </select>
  );
}

/** A list of numbers is pasted or typed as such, not entered one box at a time. */
export function Numbers(props: WidgetProps) {
  const value = props.value as number[] | undefined;
  const [draft, setDraft] = useState<string | null>(null);
  const settled = Array.isArray(value) ? value.join(', ') : '';
  const same = draft !== null && String(numbersIn(draft) ?? '') === String(value ?? '');
  return (
    <div className="stack-tight">
      <textarea
        {...described(props)}
        className="input"
        id={props.id}
        rows={2}
        placeholder="Numbers, separated by commas or spaces"
        value={same ? draft : settled}
        disabled={props.disabled}
        onChange={(e) => {
          setDraft(e.target.value);
          props.onChange(numbersIn(e.target.value));
        }}
      />
      {value && value.length > 3 && <span className="fine">{value.length} numbers</span>}
    </div>
  );
}

/** A tensor is pasted or typed as a nested list. Text that is no JSON stays text, and the check names it. */
export function JsonText(props: WidgetProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const settled = props.value === undefined ? '' : JSON.stringify(props.value);
  const same = draft !== null && JSON.stringify(parsed(draft)) === JSON.stringify(props.value);
  return (
    <textarea
      {...described(props)}
      className="input"
      id={props.id}
      rows={4}
      placeholder="[[1, 2], [3, 4]]"
      spellCheck={false}
      value={same ? draft : settled}
      disabled={props.disabled}
      onChange={(e) => {
        setDraft(e.target.value);
        props.onChange(parsed(e.target.value));
      }}
    />
  );
}

function parsed(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
