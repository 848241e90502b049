// Owns what two versions answer to each example, asked for on demand. Must not know how examples came about.
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { predictAsk, prediction } from '../api/calls';
import { fetchJson } from '../api/http';
import type { Example, Model, Prediction, Version } from '../api/types';
import { isScores, topScore } from '../output/kind';
import { exampleWords, withFiles } from '../pages/examples';
import { summary } from '../parts/format';
import { toastError } from '../parts/toasts';
import { isFinal } from '../run/view';
import { reasonWords } from '../run/words';
import '../style/train.css';

const LOOK_AGAIN_MS = 1_000;
const CHARS_MAX = 160;

interface ExampleAnswersProps {
  model: Model;
  first: Version;
  ids: [string, string];
  titles: [string, string];
}

type Answers = Record<string, [string, string]>;

export function ExampleAnswers({ model, first, ids, titles }: ExampleAnswersProps) {
  const examples = first.examples ?? [];
  const [answers, setAnswers] = useState<Answers>({});
  const ask = useMutation({
    mutationFn: async () => {
      setAnswers({});
      for (const example of examples) {
        const both = await bothAnswers(model, first, example, ids);
        setAnswers((known) => ({ ...known, [example.name]: both }));
      }
    },
    onError: toastError,
  });
  if (!examples.length) return null;
  return (
    <div className="stack" role="region" aria-label="The examples">
      <div className="row row-ends">
        <h3>The examples</h3>
        <button type="button" className="button small" disabled={ask.isPending} onClick={() => ask.mutate()}>
          {ask.isPending
            ? `Running… ${Object.keys(answers).length} of ${examples.length}`
            : 'Run the examples on both'}
        </button>
      </div>
      {Object.keys(answers).length > 0 && (
        // The box scrolls where an answer is too long, so it takes the focus.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div className="compare-box" role="region" aria-label="Answers to the examples" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <td />
                {titles.map((title) => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {Object.entries(answers).map(([name, [one, other]]) => (
                <tr key={name} className={one === other ? undefined : 'compare-differs'}>
                  <th scope="row">{exampleWords(name)}</th>
                  <td>{one}</td>
                  <td>{other}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

async function bothAnswers(
  { owner, name }: Model,
  first: Version,
  example: Example,
  ids: [string, string],
): Promise<[string, string]> {
  const input = await withFiles(example.input, first);
  const of = async (version: string): Promise<string> => {
    const { path, json } = predictAsk({ owner, name, version }, input);
    return told(await ended(await fetchJson<Prediction>(path, { json })));
  };
  return Promise.all([of(ids[0]), of(ids[1])]);
}

/** One that takes longer than an answer is looked at until it is over. */
async function ended(run: Prediction): Promise<Prediction> {
  let now = run;
  while (!isFinal(now.status)) {
    await new Promise((again) => setTimeout(again, LOOK_AGAIN_MS));
    now = await prediction(now.id);
  }
  return now;
}

function told({ status, output, error, reason }: Prediction): string {
  if (status !== 'succeeded') return error ?? reasonWords(reason, status);
  if (isScores(output) && Object.keys(output).length) return topScore(output);
  return summary(output, CHARS_MAX);
}
