// Owns how schedules are told to people: kinds, ticks, outcomes. Pure. Must not know how a schedule is made.
import type { Schedule } from '../api/types';

export const KIND_WORDS: Record<Schedule['kind'], string> = {
  prediction: 'A run',
  batch: 'A batch job',
  training: 'A training',
};

/** `Thu, 26 Nov, 06:30`, by the clocks of a zone; one's own when there is none. */
export function tickTime(time: string, zone?: string | null): string {
  const style: Intl.DateTimeFormatOptions = {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: zone ?? undefined,
  };
  try {
    return new Date(time).toLocaleString(undefined, style);
  } catch {
    // A zone that this browser does not know.
    return new Date(time).toLocaleString(undefined, { ...style, timeZone: undefined });
  }
}

/** What the last tick came to. */
export function lastWords({ last }: Schedule): string {
  switch (last?.outcome) {
    case undefined:
      return 'It has not come due yet.';
    case 'made':
      return 'Last time a job was made';
    case 'missed':
      return 'Last time was missed: no server ran';
    case 'overlap':
      return 'Last time was skipped: the job before still ran';
    default:
      return last?.error ?? 'Last time no job could be made';
  }
}

const JOB_PAGES: Record<Schedule['kind'], string> = {
  prediction: '/runs/',
  batch: '/batches/',
  training: '/trainings/',
};

export const jobPage = (kind: Schedule['kind'], id: string): string => JOB_PAGES[kind] + id;

/** `age@staging`, or the model alone: then its live version. */
export const scheduled = ({ model, version }: Schedule): string => (version ? `${model}@${version}` : model);

/** What is asked for at every tick, without what is asked for in other words beside it. */
export function requested({ kind, request }: Schedule): unknown {
  if (kind === 'batch') return String(request.table ?? '').replace('onstage://', '');
  return request.input ?? {};
}
