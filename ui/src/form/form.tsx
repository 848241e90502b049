// Owns the form of a model: its schema through the form library, in our clothes. Must not know what happens
// with the values.
// The package's index also exports test support that generates code; only the form itself is wanted.
import Form from '@rjsf/core/lib/components/Form.js';
import type { ErrorSchema, RJSFSchema, RJSFValidationError, UiSchema } from '@rjsf/utils';
import { useEffect, useMemo, type ReactNode } from 'react';
import { pointerPath, type Problem } from '../api/problem';
import type { Schema } from '../api/types';
import { formSchema, withoutEmpty } from './schema';
import { FieldFrame, Group, List, ListItem, OptionalGroup, type Context } from './templates';
import { tree, validator } from './validator';
import { DatasetPick } from './widgets/dataset';
import { AnyFile, AudioFile, ImageFile, TableFile, VideoFile } from './widgets/file';
import {
  Choice,
  Day,
  JsonText,
  Line,
  Moment,
  NumberBox,
  Numbers,
  Paragraph,
  Pick,
  SecretLine,
  Slider,
  Toggle,
} from './widgets/plain';
import '../style/form.css';

type Data = Record<string, unknown>;

const widgets = {
  file: AnyFile,
  image: ImageFile,
  audio: AudioFile,
  video: VideoFile,
  table: TableFile,
  dataset: DatasetPick,
  line: Line,
  paragraph: Paragraph,
  secret: SecretLine,
  day: Day,
  moment: Moment,
  box: NumberBox,
  slider: Slider,
  toggle: Toggle,
  choice: Choice,
  pick: Pick,
  numbers: Numbers,
  json: JsonText,
};
const templates = {
  FieldTemplate: FieldFrame,
  ObjectFieldTemplate: Group,
  ArrayFieldTemplate: List,
  ArrayFieldItemTemplate: ListItem,
  OptionalDataControlsTemplate: OptionalGroup,
};

export interface ModelFormProps {
  schemas: Record<string, Schema>;
  values: Data;
  problem: Problem | null;
  disabled?: boolean;
  onChange: (values: Data) => void;
  onSubmit: (values: Data) => void;
  children: ReactNode;
}

export default function ModelForm(props: ModelFormProps) {
  const { schema, ui, advanced } = useMemo(() => formSchema(props.schemas), [props.schemas]);
  const fields = props.problem?.fields;
  const errors = useMemo(
    () => (fields ?? []).map((f) => ({ params: { path: pointerPath(f.pointer) }, message: f.message })),
    [fields],
  );
  const context: Context = { advanced, errorsAt: errors.map((e) => e.params.path[0] ?? '') };
  useEffect(() => {
    if (errors.length) focusField(errors[0]?.params.path ?? []);
  }, [errors]);
  return (
    <Form<Data, RJSFSchema, Context>
      className="form"
      idPrefix="in"
      schema={schema as RJSFSchema}
      uiSchema={ui as UiSchema<Data, RJSFSchema, Context>}
      formData={props.values}
      validator={validator as never}
      widgets={widgets as never}
      templates={templates as never}
      formContext={context}
      extraErrors={tree(errors) as ErrorSchema<Data>}
      showErrorList={false}
      noHtml5Validate
      disabled={props.disabled}
      onError={(wrong) => focusField(pathOf(wrong[0]))}
      onChange={(e) => props.onChange(e.formData ?? {})}
      onSubmit={(e) => props.onSubmit(withoutEmpty(e.formData ?? {}) as Data)}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: 'populateRequiredDefaults' }}
    >
      {props.children}
    </Form>
  );
}

const pathOf = (error: RJSFValidationError | undefined): string[] =>
  (error?.params as { path?: string[] } | undefined)?.path ?? [];

/** Leads to a wrong input, also when it is folded away. */
function focusField(path: string[]): void {
  requestAnimationFrame(() => {
    const field = document.querySelector<HTMLElement>(
      `[data-field="${CSS.escape(['in', ...path].join('_'))}"]`,
    );
    field?.closest('details')?.setAttribute('open', '');
    field?.querySelector<HTMLElement>('input:not([tabindex="-1"]), select, textarea, button')?.focus();
  });
}
