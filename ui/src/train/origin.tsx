// Owns where a version comes from and what it learned: weights, metrics, trainer, data, parameters. Must not
// know how versions go live.
import { Link } from 'wouter';
import type { Lineage, Version } from '../api/types';
import { DownloadLink } from '../output/download';
import { bytes, duration, number, summary } from '../parts/format';
import { DatasetLink } from './facts';
import '../style/run.css';
import '../style/train.css';

export function Origin({ version }: { version: Version }) {
  const { weights, lineage } = version;
  const metrics = Object.entries(version.metrics ?? {});
  if (!weights && !lineage && !metrics.length) return null;
  return (
    <div className="origin">
      {metrics.length > 0 && (
        <dl className="origin-metrics">
          {metrics.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{number(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      {lineage && <Trained lineage={lineage} />}
      {weights && (
        <div className="row">
          <DownloadLink link={weights.url} name={weights.is_folder ? `${weights.name}.tar` : weights.name}>
            {`Weights: ${weights.name} (${bytes(weights.size)})`}
          </DownloadLink>
          <code className="fine" title={`SHA-256 ${weights.sha256}`}>
            {weights.sha256.slice(0, 10)}
          </code>
        </div>
      )}
    </div>
  );
}

function Trained({ lineage }: { lineage: Lineage }) {
  const given = parametersOf(lineage);
  return (
    <dl className="facts">
      <div>
        <dt>Trained by</dt>
        <dd>
          <Link href={`/m/${lineage.trainer_model}/versions`}>
            {lineage.trainer_model} v{lineage.trainer_number}
          </Link>
        </dd>
      </div>
      {lineage.datasets.length > 0 && (
        <div>
          <dt>Data</dt>
          <dd>
            {lineage.datasets.map((reference) => (
              <DatasetLink key={reference} reference={reference} />
            ))}
          </dd>
        </div>
      )}
      {given.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{summary(value, 120)}</dd>
        </div>
      ))}
      <div>
        <dt>Seed</dt>
        <dd>{lineage.seed}</dd>
      </div>
      <div>
        <dt>Took</dt>
        <dd>
          {duration(lineage.seconds)}
          {lineage.runs > 1 ? ` in ${lineage.runs} runs` : ''}
        </dd>
      </div>
      <div>
        <dt>Training</dt>
        <dd>
          <Link href={`/trainings/${lineage.training}`}>Lines and log</Link>
        </dd>
      </div>
    </dl>
  );
}

/** Without the data, which has its own place. */
const parametersOf = ({ parameters, datasets }: Lineage): [string, unknown][] =>
  Object.entries(parameters).filter(([, value]) => !datasets.includes(String(value)));
