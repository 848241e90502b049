// Owns the plain words for states, phases and reasons. Must not know React.
import { duration, sentence } from '../parts/format';
import type { Queue, Readiness } from '../api/types';

const PHASES: Record<string, string> = {
  sending: 'Sending your input',
  queued: 'Waiting for its turn',
  provisioning: 'Starting a machine for it',
  installing: 'Installing what the model needs',
  loading: 'Loading the model',
  running: 'Computing',
  uploading: 'Saving the result',
  canceling: 'Stopping',
  done: 'Done',
};

const REASONS: Record<string, string> = {
  user_error: 'The model cannot use this input',
  exception: 'The model made a mistake',
  bad_output: 'The model answered in a way it should not',
  timeout: 'It took longer than allowed',
  out_of_memory: 'It needed more memory than it may use',
  setup_failed: 'The model could not start',
  worker_lost: 'The computer that ran it was lost',
  no_capacity: 'No computer was free for it',
  over_budget: 'The budget of this model is used up',
  canceled: 'Canceled',
  expired: 'It waited too long and expired',
};

export const STATUS_WORDS: Record<string, string> = {
  starting: 'Waiting',
  processing: 'Running',
  succeeded: 'Done',
  failed: 'Failed',
  canceled: 'Canceled',
};

export const phaseWords = (phase: string): string => PHASES[phase] ?? 'Working';

export const reasonWords = (reason: string | null | undefined, status: string): string =>
  REASONS[reason ?? ''] ?? (status === 'canceled' ? 'Canceled' : 'It failed');

/** What the server adds to a phase, unless it only says the phase again. */
export function detailWords(phase: string, text: string): string {
  const bare = text
    .trim()
    .replace(/[.…]+$/, '')
    .replace(/^(loading|starting|running)[,;]\s*/i, '');
  const again = ['', phase, 'starting the model', 'starting the worker', 'loading', 'running'];
  return again.includes(bare.toLowerCase()) ? '' : sentence(bare);
}

const SOURCES: Record<string, string> = {
  page: 'this page',
  api: 'a program',
  cli: 'the command line',
  python: 'Python',
  batch: 'a batch job',
};

/** Who asked for a run. */
export const sourceWords = (source: string | null | undefined): string =>
  source ? (SOURCES[source] ?? source) : '';

/** What the queue means for the one who waits: "3 before you, about 12 s". */
export function queueWords(queue: Queue | null): string {
  if (!queue) return '';
  const ahead = queue.ahead ?? (queue.position ? queue.position - 1 : null);
  const parts: string[] = [];
  if (ahead === 0) parts.push(/again/.test(queue.text ?? '') ? sentence(queue.text ?? '') : 'You are next');
  else if (ahead) parts.push(`${ahead} before you`);
  else if (queue.text) parts.push(sentence(queue.text));
  if (queue.eta_s) parts.push(`about ${duration(queue.eta_s)}`);
  return parts.join(', ');
}

export function readinessWords(
  readiness: Readiness | undefined,
  background = false,
): { label: string; tone: string; more: string } {
  // A background model has no worker that waits: each run brings its own.
  if (background && readiness?.state === 'asleep')
    return { label: 'Starts when asked', tone: 'calm', more: 'Each run starts it, and it ends after.' };
  switch (readiness?.state) {
    case 'ready':
      return { label: 'Ready', tone: 'good', more: 'Answers right away.' };
    case 'starting':
      return { label: 'Waking up', tone: 'wait', more: readiness.text || 'It will be ready in a moment.' };
    case 'asleep':
      return { label: 'Asleep', tone: 'calm', more: 'Wakes by itself when somebody needs it.' };
    case 'failed':
      return {
        label: 'Cannot start',
        tone: 'bad',
        more: readiness.text || 'Its author can see why under Versions.',
      };
    default:
      return { label: 'No version yet', tone: 'calm', more: 'No version of it works yet.' };
  }
}

/** An apology with a short code that its owner can find again. */
export const shortCode = (id: string): string => id.slice(-6).toUpperCase();
