// Owns the row of examples that fill the form. Must not know the form.
import { useState } from 'react';
import { at } from '../app/base';
import { address, send } from '../api/http';
import type { Example, Version } from '../api/types';
import { choose } from '../form/files';
import { summary } from '../parts/format';
import { toastError } from '../parts/toasts';

const EXAMPLES_SHOWN = 8;

export function Examples(props: {
  version: Version;
  examples: Example[];
  onPick: (input: Record<string, unknown>) => void;
}) {
  const [picked, setPicked] = useState('');
  if (!props.examples.length) return null;
  const pick = (example: Example): void => {
    setPicked(example.name);
    withFiles(example.input, props.version).then(props.onPick).catch(toastError);
  };
  return (
    <div className="examples" role="group" aria-label="Examples">
      <span className="fine">Examples</span>
      <div>
        {props.examples.slice(0, EXAMPLES_SHOWN).map((example) => (
          <button
            key={example.name}
            type="button"
            className="chip"
            aria-pressed={picked === example.name}
            title={summary(example.input, 160)}
            onClick={() => pick(example)}
          >
            <Thumb example={example} version={props.version} />
            {exampleWords(example.name)}
          </button>
        ))}
      </div>
    </div>
  );
}

function Thumb({ example, version }: { example: Example; version: Version }) {
  const image = Object.values(example.input).find(
    (v): v is string =>
      typeof v === 'string' && (/^data:image\//.test(v) || /^@.*\.(png|jpe?g|gif|webp)$/i.test(v)),
  );
  if (!image) return null;
  return <img src={image.startsWith('@') ? at(filePath(image, version)) : image} alt="" />;
}

export const exampleWords = (name: string): string => name.replace(/\.json$/, '').replace(/[-_]+/g, ' ');

const filePath = (value: string, version: Version): string => {
  const [owner, name] = version.model.split('/').map(encodeURIComponent);
  return `v1/models/${owner}/${name}/versions/${version.id}/examples/${encodeURIComponent(value.slice(1))}`;
};

/** Files of an example lie with the version; they are fetched and become values like any chosen file. */
export async function withFiles(
  input: Record<string, unknown>,
  version: Version,
): Promise<Record<string, unknown>> {
  const next: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(input)) next[key] = await settled(value, version);
  return next;
}

async function settled(value: unknown, version: Version): Promise<unknown> {
  if (typeof value !== 'string') return value;
  const link = value.startsWith('@') ? filePath(value, version) : value.includes('/examples/') ? value : null;
  if (!link) return value;
  const response = await send(address(link), { headers: { accept: '*/*' } });
  const blob = await response.blob();
  const name = decodeURIComponent(link.split('/').pop() ?? 'example');
  const chosen = await choose(
    new File([blob], name, { type: blob.type }),
    () => undefined,
    new AbortController().signal,
  );
  return chosen.value;
}
