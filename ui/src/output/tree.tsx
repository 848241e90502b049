// Owns the readable tree for values of no known shape. Must not know what they mean.
import { count, number } from '../parts/format';

const OPEN_DEPTH = 2;
const ENTRIES_MAX = 200;
const TEXT_CHARS_MAX = 4000;

export function Tree({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (value === null || value === undefined) return <span className="tree-nothing">nothing</span>;
  if (typeof value === 'number') return <span className="tree-number">{number(value)}</span>;
  if (typeof value === 'boolean') return <span className="tree-number">{value ? 'yes' : 'no'}</span>;
  if (typeof value === 'string') return <span className="tree-text">{value.slice(0, TEXT_CHARS_MAX)}</span>;
  const entries = Object.entries(value);
  const list = Array.isArray(value);
  if (!entries.length) return <span className="tree-nothing">{list ? 'empty list' : 'empty'}</span>;
  if (list && value.every((v) => typeof v === 'number') && value.length <= 64) {
    return <span className="tree-number">{value.map((v) => number(v as number)).join(', ')}</span>;
  }
  const shown = entries.slice(0, ENTRIES_MAX);
  return (
    <details className="tree" open={depth < OPEN_DEPTH}>
      <summary>{list ? count(entries.length, 'entry', 'entries') : count(entries.length, 'field')}</summary>
      <ul>
        {shown.map(([key, item]) => (
          <li key={key}>
            <span className="tree-key">{list ? Number(key) + 1 : key}</span>{' '}
            <Tree value={item} depth={depth + 1} />
          </li>
        ))}
        {entries.length > shown.length && <li className="fine">and {entries.length - shown.length} more</li>}
      </ul>
    </details>
  );
}
