// Owns the input for a dataset: one that is there, in one of its versions, or a new one. Must not know what
// it is for.
import type { WidgetProps } from '@rjsf/utils';
import { useState } from 'react';
import { datasets, datasetVersions } from '../../api/calls';
import type { Dataset } from '../../api/types';
import { Bring } from '../../data/bring';
import { partsOf } from '../../data/names';
import { Preview } from '../../data/preview';
import { ProblemNotice } from '../../parts/bits';
import { bytes } from '../../parts/format';
import { useListed } from '../../parts/listed';
import { described } from './plain';
import '../../style/data.css';

export function DatasetPick(props: WidgetProps) {
  const { id, onChange, disabled } = props;
  const [looks, setLooks] = useState(false);
  const [brings, setBrings] = useState(false);
  const list = useListed(['datasets'], datasets, { whole: true });
  const known = list.rows;
  const value = typeof props.value === 'string' ? props.value : '';
  const { name, version } = partsOf(value);
  const chosen = known.find((d) => d.name === name);
  const none = list.loaded && known.length === 0;
  return (
    <div className="pick-data">
      {list.problem && <ProblemNotice problem={list.problem} again={list.again} />}
      <div className="pick-row">
        <select
          {...described(props)}
          id={id}
          className="input"
          value={name}
          disabled={disabled}
          onChange={(e) => onChange(e.target.value || undefined)}
        >
          <option value="">{none ? 'No datasets yet' : !list.loaded ? 'Looking…' : 'Choose…'}</option>
          {name && !chosen && <option value={name}>{name}</option>}
          {known.map((d) => (
            <option key={d.name} value={d.name}>
              {d.name} ({d.newest.format}, {bytes(d.newest.size)})
            </option>
          ))}
        </select>
        {chosen && (chosen.versions > 1 || version !== null) && (
          <PickVersion dataset={chosen} version={version} disabled={disabled} onChange={onChange} />
        )}
      </div>
      {chosen && (
        <details className="fold" onToggle={(e) => setLooks(e.currentTarget.open)}>
          <summary>First rows</summary>
          {looks && <Preview name={name} version={version ?? 'newest'} heightMax={220} />}
        </details>
      )}
      {brings || none ? (
        <Bring
          known={known}
          onDone={(brought) => {
            setBrings(false);
            onChange(brought.dataset);
          }}
        />
      ) : (
        <button
          type="button"
          className="button small start"
          disabled={disabled}
          onClick={() => setBrings(true)}
        >
          Upload a dataset
        </button>
      )}
    </div>
  );
}

function PickVersion(props: {
  dataset: Dataset;
  version: number | null;
  disabled?: boolean;
  onChange: (value: string) => void;
}) {
  const { dataset, version, disabled, onChange } = props;
  const older = useListed(['dataset', dataset.name, 'versions'], datasetVersions(dataset.name), {
    whole: true,
  }).rows;
  return (
    <select
      className="input"
      aria-label={`Version of ${dataset.name}`}
      value={version ?? ''}
      disabled={disabled}
      onChange={(e) => onChange(e.target.value ? `${dataset.name}@v${e.target.value}` : dataset.name)}
    >
      <option value="">newest (v{dataset.newest.version})</option>
      {older.map((v) => (
        <option key={v.version} value={v.version}>
          v{v.version}
        </option>
      ))}
    </select>
  );
}
