// Owns the list of API routes the page uses, one function each. Must not know how answers are shown.
import { fetchJson, send } from './http';
import type {
  Account,
  Batch,
  BatchItem,
  Comparison,
  Dataset,
  DatasetPreview,
  DatasetVersion,
  Feedback,
  FeedbackDraft,
  Model,
  Page,
  Prediction,
  Preview,
  Schedule,
  ScheduleTicks,
  Training,
  TrainingSeries,
  UsageReport,
  Version,
} from './types';

const enc = encodeURIComponent;
/** A list: its first page, or the one behind a link that the server gave. */
const listOf =
  <T>(path: string) =>
  (next?: string): Promise<Page<T>> =>
    fetchJson(next ?? path);
const modelPath = (owner: string, name: string): string => `v1/models/${enc(owner)}/${enc(name)}`;
const query = (values: Record<string, string | undefined>): string => {
  const pairs = Object.entries(values).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
};

export const account = (): Promise<Account> => fetchJson('v1/account');
export const login = (secret: { password: string } | { token: string }): Promise<void> =>
  fetchJson('v1/login', { json: secret, keepOn401: true });
export const logout = (): Promise<void> => fetchJson('v1/logout', { method: 'POST', keepOn401: true });

export const models = listOf<Model>('v1/models?limit=100');
export const model = (owner: string, name: string): Promise<Model> => fetchJson(modelPath(owner, name));
export const warmup = (owner: string, name: string): Promise<unknown> =>
  fetchJson(`${modelPath(owner, name)}/warmup`, { method: 'POST' });
export const versions = (owner: string, name: string) =>
  listOf<Version>(`${modelPath(owner, name)}/versions?limit=50`);
export const version = (owner: string, name: string, id: string): Promise<Version> =>
  fetchJson(`${modelPath(owner, name)}/versions/${enc(id)}`);
export const promote = (owner: string, name: string, id: string): Promise<Model> =>
  fetchJson(`${modelPath(owner, name)}/versions/${enc(id)}/promote`, { method: 'POST' });
export const rollback = (owner: string, name: string): Promise<Model> =>
  fetchJson(`${modelPath(owner, name)}/rollback`, { method: 'POST' });
export const versionLogs = (owner: string, name: string, id: string): Promise<string> =>
  send(`${modelPath(owner, name)}/versions/${enc(id)}/logs`, { headers: { accept: 'text/plain' } }).then(
    (r) => r.text(),
  );

export const setAlias = (owner: string, name: string, alias: string, version: string): Promise<unknown> =>
  fetchJson(`${modelPath(owner, name)}/aliases/${enc(alias)}`, { method: 'PUT', json: { version } });
export const removeAlias = (owner: string, name: string, alias: string): Promise<unknown> =>
  fetchJson(`${modelPath(owner, name)}/aliases/${enc(alias)}`, { method: 'DELETE' });

export const compare = (owner: string, name: string, ids: string[]): Promise<Comparison> =>
  fetchJson(`${modelPath(owner, name)}/compare${query({ versions: ids.join(',') })}`);

export interface AskedModel {
  owner: string;
  name: string;
  /** The live one when there is none. */
  version?: string;
}
/** Where a prediction is asked for, and what is sent there. */
export const predictAsk = ({ owner, name, version }: AskedModel, input: Record<string, unknown>) =>
  version
    ? { path: 'v1/predictions', json: { version: `${owner}/${name}@${version}`, input } }
    : { path: `${modelPath(owner, name)}/predictions`, json: { input } };
export const prediction = (id: string): Promise<Prediction> => fetchJson(`v1/predictions/${enc(id)}`);
export const predictions = (filter: { model?: string; status?: string; mine?: string }) =>
  listOf<Prediction>(`v1/predictions${query({ ...filter, limit: '50' })}`);
export const cancelPrediction = (id: string): Promise<Prediction> =>
  fetchJson(`v1/predictions/${enc(id)}/cancel`, { method: 'POST' });
export const eventsPath = (id: string): string => `v1/predictions/${enc(id)}/events`;

export const batches = (filter: { model?: string }) =>
  listOf<Batch>(`v1/batches${query({ ...filter, limit: '50' })}`);
export const batch = (id: string): Promise<Batch> => fetchJson(`v1/batches/${enc(id)}`);
export const preview = (owner: string, name: string, table: File): Promise<Preview> => {
  const form = new FormData();
  form.append('table', table, table.name);
  return fetchJson(`${modelPath(owner, name)}/batches/preview`, { form });
};
export interface BatchStart {
  table: string;
  /** The archive in which cells that are paths find their files. */
  files?: string;
  format?: string;
  map?: Record<string, string>;
  label?: string;
  limit?: number;
}
export const startBatch = (owner: string, name: string, start: BatchStart): Promise<Batch> =>
  fetchJson(`${modelPath(owner, name)}/batches`, { json: start });
export const cancelBatch = (id: string): Promise<Batch> =>
  fetchJson(`v1/batches/${enc(id)}/cancel`, { method: 'POST' });
export const retryBatch = (id: string): Promise<Batch> =>
  fetchJson(`v1/batches/${enc(id)}/retry`, { json: { only: 'failed' } });
export const batchEventsPath = (id: string): string => `v1/batches/${enc(id)}/events`;
export const batchResultPath = (id: string): string => `v1/batches/${enc(id)}/result`;
export const items = (id: string, status: 'succeeded' | 'failed') =>
  listOf<BatchItem>(`v1/batches/${enc(id)}/items?status=${status}&limit=50`);

export interface TrainingStart {
  input: Record<string, unknown>;
  promote?: boolean;
  gates?: string[];
  seed?: number;
  destination?: string;
}
export const startTraining = (version: Version, start: TrainingStart): Promise<Training> =>
  fetchJson(`v1/models/${version.model}/versions/${enc(version.id)}/trainings`, { json: start });
export const trainings = (model: string) => listOf<Training>(`v1/trainings${query({ model, limit: '50' })}`);
export const training = (id: string): Promise<Training> => fetchJson(`v1/trainings/${enc(id)}`);
export const trainingMetrics = (id: string): Promise<TrainingSeries> =>
  fetchJson(`v1/trainings/${enc(id)}/metrics`);
export const trainingMetricsCsvPath = (id: string): string => `v1/trainings/${enc(id)}/metrics?format=csv`;
export const trainingEventsPath = (id: string): string => `v1/trainings/${enc(id)}/events`;
export const cancelTraining = (id: string): Promise<Training> =>
  fetchJson(`v1/trainings/${enc(id)}/cancel`, { method: 'POST' });
export const retryTraining = (id: string): Promise<Training> =>
  fetchJson(`v1/trainings/${enc(id)}/retry`, { method: 'POST' });

const datasetVersionPath = (name: string, version: number | 'newest'): string =>
  `v1/datasets/${enc(name)}/versions/${version}`;
export const datasets = listOf<Dataset>('v1/datasets?limit=50');
export const dataset = (name: string): Promise<Dataset> => fetchJson(`v1/datasets/${enc(name)}`);
export const datasetVersions = (name: string) =>
  listOf<DatasetVersion>(`v1/datasets/${enc(name)}/versions?limit=50`);
export const datasetPreview = (name: string, version: number | 'newest'): Promise<DatasetPreview> =>
  fetchJson(`${datasetVersionPath(name, version)}/preview?rows=50`);
export const datasetContentPath = (name: string, version: number): string =>
  `${datasetVersionPath(name, version)}/content`;
export const deleteDataset = (name: string): Promise<void> =>
  fetchJson(`v1/datasets/${enc(name)}`, { method: 'DELETE' });
export const deleteDatasetVersion = (name: string, version: number): Promise<void> =>
  fetchJson(datasetVersionPath(name, version), { method: 'DELETE' });
export const datasetPutPath = (name: string, file: string): string =>
  `v1/datasets/${enc(name)}${query({ filename: file })}`;

export const schedules = (model?: string) => listOf<Schedule>(`v1/schedules${query({ model, limit: '50' })}`);
export interface ScheduleWhen {
  cron?: string;
  timezone?: string;
  every?: string;
}
export interface NewSchedule extends ScheduleWhen {
  model: string;
  kind: Schedule['kind'];
  version?: string;
  request: Record<string, unknown>;
  overlap?: Schedule['overlap'];
  catch_up?: boolean;
}
export const makeSchedule = (wish: NewSchedule): Promise<Schedule> =>
  fetchJson('v1/schedules', { json: wish });
export const previewSchedule = ({ cron, timezone, every }: ScheduleWhen): Promise<ScheduleTicks> =>
  fetchJson(`v1/schedules/preview${query({ cron, timezone, every })}`);
export const pauseSchedule = (id: string, paused: boolean): Promise<Schedule> =>
  fetchJson(`v1/schedules/${enc(id)}`, { method: 'PATCH', json: { paused } });
export const runSchedule = (id: string): Promise<Schedule> =>
  fetchJson(`v1/schedules/${enc(id)}/run`, { method: 'POST' });
export const deleteSchedule = (id: string): Promise<void> =>
  fetchJson(`v1/schedules/${enc(id)}`, { method: 'DELETE' });

export const usage = (by: string, since: string, until: string): Promise<UsageReport> =>
  fetchJson(`v1/usage${query({ by, since, until })}`);

export const giveFeedback = (prediction: string, draft: FeedbackDraft): Promise<Feedback> =>
  fetchJson(`v1/predictions/${enc(prediction)}/feedback`, { json: draft });
export const feedback = (model: string) => listOf<Feedback>(`v1/feedback${query({ model, limit: '50' })}`);
export const feedbackCsvPath = (model: string): string => `v1/feedback${query({ model, format: 'csv' })}`;
