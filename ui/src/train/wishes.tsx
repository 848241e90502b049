// Owns what a training is asked for beside its inputs: going live, gates, seed, the model that gets the version.
// Must not know when it starts.
import { useId, useState } from 'react';
import { models } from '../api/calls';
import type { TrainingStart } from '../api/calls';
import { useListed } from '../parts/listed';
import '../style/train.css';

export interface Wishes {
  promote: boolean;
  gates: string;
  seed: string;
  /** The trainer's own model when empty. */
  destination: string;
}

export const NO_WISHES: Wishes = { promote: false, gates: '', seed: '', destination: '' };

/** In the words of the API. */
export function asked({ promote, gates, seed, destination }: Wishes): Omit<TrainingStart, 'input'> {
  return {
    promote,
    gates: promote ? gates.split(/[\n,;]+/).flatMap((gate) => gate.trim() || []) : [],
    ...(seed === '' ? {} : { seed: Number(seed) }),
    ...(destination ? { destination } : {}),
  };
}

interface WishesProps {
  /** `owner/name` of the model that trains. */
  model: string;
  value: Wishes;
  onChange: (wishes: Wishes) => void;
}

export function TrainingWishes({ model, value, onChange }: WishesProps) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const change = (part: Partial<Wishes>): void => onChange({ ...value, ...part });
  return (
    <div className="after-training">
      <label className="check">
        <input
          type="checkbox"
          checked={value.promote}
          onChange={(e) => change({ promote: e.target.checked })}
        />
        <span>Make the new version live when it is ready</span>
      </label>
      {value.promote && (
        <div className="stack-tight">
          <label htmlFor={`${id}-gates`}>Only if it reaches</label>
          <input
            id={`${id}-gates`}
            className="input"
            value={value.gates}
            autoComplete="off"
            placeholder="accuracy >= 0.95"
            onChange={(e) => change({ gates: e.target.value })}
          />
          <span className="fine">
            Several with commas. What its <code>onstage.toml</code> asks for counts too.
          </span>
        </div>
      )}
      <details className="fold" onToggle={(e) => setOpen(e.currentTarget.open)}>
        <summary>Seed and destination</summary>
        <div className="fold-body">
          <div className="stack-tight">
            <label htmlFor={`${id}-seed`}>Seed</label>
            <input
              id={`${id}-seed`}
              className="input"
              type="number"
              min={0}
              step={1}
              value={value.seed}
              placeholder="by chance"
              aria-describedby={`${id}-seed-help`}
              onChange={(e) => change({ seed: e.target.value })}
            />
            <span className="fine" id={`${id}-seed-help`}>
              The code gets it as <code>ctx.seed</code>: the same seed, data and code should learn the same.
            </span>
          </div>
          <div className="stack-tight">
            <label htmlFor={`${id}-to`}>The new version goes to</label>
            <Destination
              id={`${id}-to`}
              model={model}
              value={value.destination}
              asks={open}
              onChange={(destination) => change({ destination })}
            />
          </div>
        </div>
      </details>
    </div>
  );
}

function Destination(props: {
  id: string;
  model: string;
  value: string;
  asks: boolean;
  onChange: (model: string) => void;
}) {
  const { id, model, value, asks, onChange } = props;
  const known = useListed(['models'], models, { whole: true, enabled: asks });
  const others = known.rows.map((m) => `${m.owner}/${m.name}`).filter((name) => name !== model);
  return (
    <select id={id} className="input" value={value} onChange={(e) => onChange(e.target.value)}>
      <option value="">{model} (this model)</option>
      {value && !others.includes(value) && <option>{value}</option>}
      {others.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}
