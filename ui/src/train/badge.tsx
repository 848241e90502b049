// Owns how the outcome of a training is named in one place and one colour. Must not know the pages.
import type { Training } from '../api/types';
import { Badge } from '../parts/bits';
import { toneOf } from '../pages/runs';
import { STATUS_WORDS } from '../run/words';

export function TrainingBadge({ status }: { status: Training['status'] }) {
  return <Badge tone={toneOf(status)}>{STATUS_WORDS[status]}</Badge>;
}
