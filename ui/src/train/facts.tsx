// Owns what a training was given, in words: data, parameters, trainer, seed. Must not know its outcome.
import { Link } from 'wouter';
import type { Training } from '../api/types';
import { partsOf } from '../data/names';
import { between, fullTime, summary } from '../parts/format';

export function TrainingFacts({ training }: { training: Training }) {
  const { datasets, input } = training;
  const data = new Set(datasets);
  const given = Object.entries(input).filter(([, value]) => !data.has(String(value)));
  const took = between(training.started_at, training.completed_at);
  return (
    <dl className="facts">
      {datasets.length > 0 && (
        <div>
          <dt>Data</dt>
          <dd>
            {datasets.map((reference) => (
              <DatasetLink key={reference} reference={reference} />
            ))}
          </dd>
        </div>
      )}
      {given.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{summary(value, 200)}</dd>
        </div>
      ))}
      <div>
        <dt>Trained by</dt>
        <dd>
          <Link href={`/m/${training.model}/versions`}>
            {training.model} v{training.version_number}
          </Link>
        </dd>
      </div>
      <div>
        <dt>Seed</dt>
        <dd>{training.seed}</dd>
      </div>
      {training.gates.length > 0 && (
        <div>
          <dt>Gates</dt>
          <dd>{training.gates.join(', ')}</dd>
        </div>
      )}
      {training.resumed && (
        <div>
          <dt>Went on from</dt>
          <dd>
            <Link href={`/trainings/${training.resumed}`}>the checkpoint of an earlier training</Link>
          </dd>
        </div>
      )}
      {training.started_at && (
        <div>
          <dt>Started</dt>
          <dd>{fullTime(training.started_at)}</dd>
        </div>
      )}
      {took && (
        <div>
          <dt>Took</dt>
          <dd>{took}</dd>
        </div>
      )}
    </dl>
  );
}

export function DatasetLink({ reference }: { reference: string }) {
  return (
    <>
      <Link href={`/datasets/${partsOf(reference).name}`}>{reference}</Link>{' '}
    </>
  );
}
