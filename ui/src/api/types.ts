// Owns the shapes of what the HTTP API says. Must not know how it is fetched or shown.

export interface Page<T> {
  results: T[];
  next: string | null;
  previous: string | null;
}

export interface Account {
  username: string;
  name: string;
  role: 'owner' | 'stakeholder';
  installation?: { version: string; name: string };
}

export interface Readiness {
  state: 'asleep' | 'starting' | 'ready' | 'failed' | 'none';
  workers?: number;
  text?: string;
}

export interface Model {
  owner: string;
  name: string;
  title?: string | null;
  description?: string | null;
  run_count: number;
  created_at?: string;
  background?: boolean;
  latest_version: Version | null;
  readiness?: Readiness;
  live_version_number?: number | null;
  aliases?: Record<string, number>;
}

export interface Example {
  name: string;
  input: Record<string, unknown>;
  output?: unknown;
}

export interface Version {
  id: string;
  number: number;
  name: string;
  model: string;
  created_at: string;
  state: 'building' | 'ready' | 'failed' | 'deleted';
  phase?: string;
  text?: string;
  live: boolean;
  aliases?: string[];
  openapi_schema?: { components?: { schemas?: Record<string, Schema> } };
  schema?: WorkerSchema | null;
  error?: { kind: string; message: string; traceback?: string } | null;
  withdrawn?: { why: string; at: string } | null;
  examples?: Example[];
  config?: { feedback?: { ask?: string[]; required?: boolean }; [key: string]: unknown };
  logs_tail?: string;
  weights?: Weights | null;
  lineage?: Lineage | null;
  metrics?: Record<string, number>;
}

export interface Weights {
  name: string;
  is_folder: boolean;
  size: number;
  sha256: string;
  url: string;
}

/** Where a trained version comes from. */
export interface Lineage {
  training: string;
  trainer_model: string;
  trainer: string;
  trainer_number: number;
  datasets: string[];
  parameters: Record<string, unknown>;
  seed: number;
  resumed: string | null;
  runs: number;
  seconds: number;
}

/** Each row has one value for each version, in their order. */
export interface Comparison {
  versions: { id: string; number: number; state: string; live: boolean; lineage: Lineage | null }[];
  parameters: Record<string, unknown[]>;
  metrics: Record<string, (number | null)[]>;
}

export interface WorkerSchema {
  title?: string;
  help?: string;
  background?: boolean;
  streams?: boolean;
  many?: { max: number; wait_ms: number | 'auto' } | null;
  /** What the training function takes, where there is one. */
  training?: { title?: string; help?: string; components?: { schemas?: Record<string, Schema> } } | null;
  components?: { schemas?: Record<string, Schema> };
}

/** A JSON Schema as the SDK writes it, with Onstage's own words beside the standard ones. */
export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  nullable?: boolean;
  writeOnly?: boolean;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  definitions?: Record<string, Schema>;
  'x-order'?: number;
  'x-onstage-type'?: string;
  'x-cog-array-type'?: string;
  'x-cog-array-display'?: string;
  [key: string]: unknown;
}

export type Status = 'starting' | 'processing' | 'succeeded' | 'failed' | 'canceled';

export interface Progress {
  done: number;
  total?: number | null;
  text?: string | null;
  rate_per_s?: number | null;
  eta_s?: number | null;
}

export interface Queue {
  position?: number | null;
  ahead?: number | null;
  eta_s?: number | null;
  text?: string | null;
}

export interface Prediction {
  id: string;
  model: string;
  version: string;
  version_number?: number | null;
  kind?: 'realtime' | 'background';
  input: Record<string, unknown>;
  output: unknown;
  error: string | null;
  logs: string | null;
  status: Status;
  phase?: string | null;
  reason?: string | null;
  /** Input or output were taken out because the model does not keep them any longer. */
  data_removed?: boolean;
  metrics?: { predict_time?: number; queue_time?: number; total_time?: number } | null;
  created_at: string;
  started_at?: string | null;
  completed_at?: string | null;
  progress?: Progress | null;
  queue?: Queue | null;
  source?: string | null;
  feedback?: Feedback | null;
  rerun?: string | null;
  traceback?: string | null;
}

export interface Training extends Prediction {
  output: Trained | null;
  /** The last value of each, and `predict_time`. */
  metrics?: Record<string, number>;
  destination: string;
  promote: boolean;
  gates: string[];
  /** `labels@v3` */
  datasets: string[];
  seed: number;
  resumed: string | null;
  checkpoints: { number: number; run: number; size: number; created_at: string }[];
}

export interface Trained {
  /** `owner/name:id` */
  version: string;
  number: number;
  weights: string;
  /** Why the version does not go live although that was asked for. */
  held_back: string | null;
}

export interface TrainingSeries {
  series: Record<string, { step: number | null; value: number; run: number }[]>;
  last: Record<string, number>;
}

export interface Dataset {
  name: string;
  versions: number;
  newest: DatasetVersion;
}

export interface DatasetVersion {
  dataset: string;
  version: number;
  reference: string;
  name: string;
  content_type: string;
  format: string;
  size: number;
  checksums: { sha256?: string };
  source: 'upload' | 'feedback';
  model?: string;
  created_at: string;
}

export interface DatasetPreview {
  reference: string;
  format: string;
  columns: { name: string; type: string | null; missing: number }[];
  rows: Record<string, unknown>[];
  rows_seen: number;
  rows_total: number | null;
  whole: boolean;
  note: string | null;
}

/** A job that is made again at every tick. */
export interface Schedule {
  id: string;
  model: string;
  kind: 'prediction' | 'batch' | 'training';
  version: string | null;
  request: Record<string, unknown>;
  cron: string | null;
  timezone: string | null;
  every: string | null;
  /** `at 06:30, Monday to Friday` */
  said: string;
  catch_up: boolean;
  overlap: 'skip' | 'queue';
  paused: boolean;
  paused_because: string | null;
  next_at: string | null;
  last: {
    at: string;
    outcome: 'made' | 'missed' | 'overlap' | 'refused' | 'denied';
    job: string | null;
    error: string | null;
  } | null;
  last_job: string | null;
  created_by: string;
  created_at: string;
}

export interface ScheduleTicks {
  said: string;
  timezone: string | null;
  next: string[];
}

export interface UsageAmounts {
  runs: number;
  compute_s: number;
  cpu_s: number;
  gpu_s: number;
  memory_gib_s: number;
  usd: number;
}

export interface UsageLine extends UsageAmounts {
  day?: string;
  model?: string;
  kind?: 'realtime' | 'background' | 'batch' | 'training';
}

export interface UsageReport {
  since: string;
  until: string | null;
  results: UsageLine[];
  complete: boolean;
  total: UsageAmounts;
  prices: { vcpu_hour: number; gb_hour: number; gpu_hour: number; source: string };
}

export interface Batch {
  id: string;
  model: string;
  version_number?: number | null;
  status: Status;
  phase?: string | null;
  reason?: string | null;
  error?: string | null;
  created_at: string;
  started_at?: string | null;
  completed_at?: string | null;
  counts?: { total: number | null; done: number; failed: number } | null;
  partial?: boolean;
  progress?: Progress | null;
  metrics?: { accuracy?: number | null; rows_per_s?: number | null; [key: string]: unknown } | null;
  format?: string | null;
  table?: { name?: string; size?: number } | null;
  map?: Record<string, string | null> | null;
  queue?: Queue | null;
}

export interface BatchItem {
  index: number;
  status: string;
  input?: unknown;
  output?: unknown;
  error?: string | { message?: string } | null;
}

export interface Preview {
  format: string;
  columns: string[];
  rows: Record<string, unknown>[];
  map: Record<string, string | null>;
  missing: string[];
}

export interface StoredFile {
  id: string;
  name: string;
  content_type: string;
  size: number;
}

export interface Feedback {
  id?: string;
  prediction?: string;
  model?: string;
  version_number?: number | null;
  rating: 1 | -1 | null;
  comment?: string | null;
  correction?: unknown;
  reason?: string | null;
  who?: string | null;
  created_at?: string;
  input?: unknown;
  output?: unknown;
}

export interface FeedbackDraft {
  rating: 1 | -1 | null;
  comment?: string;
  correction?: unknown;
  reason?: string;
}

export interface ProblemBody {
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  hint?: string | null;
  retryable?: boolean;
  request_id?: string;
  errors?: { pointer: string; expected?: string; got?: string; message?: string }[];
}

export interface RunEvent {
  /** Its number in the run's log; null when the sender gave none. */
  id: number | null;
  event: string;
  data: Record<string, unknown>;
}
