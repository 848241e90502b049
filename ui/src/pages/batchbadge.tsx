// Owns how the outcome of a batch job is named in one place and one colour. Must not know the pages.
import type { Batch } from '../api/types';
import { Badge } from '../parts/bits';
import { STATUS_WORDS } from '../run/words';
import { batchOutcome } from './mapping';
import { toneOf } from './runs';

export function BatchBadge({ batch }: { batch: Batch }) {
  const outcome = batchOutcome(batch);
  if (outcome === 'none') return <Badge tone="bad">All rows failed</Badge>;
  if (outcome === 'some') return <Badge tone="warn">Some rows failed</Badge>;
  return <Badge tone={toneOf(batch.status)}>{STATUS_WORDS[batch.status]}</Badge>;
}
