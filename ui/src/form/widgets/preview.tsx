// Owns the small picture of a chosen file. Must not know how it was chosen.
import { lazy, Suspense } from 'react';

const TableOf = lazy(() => import('../../output/tablefile'));

export function Preview({ kind, show, name }: { kind: string; show: string | null; name: string }) {
  if (!show) return <p className="drop-name">{name}</p>;
  if (kind === 'image') return <img className="drop-image" src={show} alt={`Input: ${name}`} />;
  if (kind === 'audio') {
    // A recording a person has just chosen has no captions to offer.
    // eslint-disable-next-line jsx-a11y/media-has-caption
    return <audio controls src={show} />;
  }
  if (kind === 'video') {
    // eslint-disable-next-line jsx-a11y/media-has-caption
    return <video controls src={show} className="drop-image" />;
  }
  if (kind === 'table') {
    return (
      <Suspense fallback={null}>
        <TableOf link={show} name={name} rowsMax={5} />
      </Suspense>
    );
  }
  return <p className="drop-name">{name}</p>;
}
