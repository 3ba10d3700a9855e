/** What crosses the wire: the TypeScript side of `athena_lab/gateway_api` (checked against tests/wire/*.json). */
import type { EnvironmentKind, ISource, IUnknownTable } from './bundles.js';
import type { IParameter, ISchedule, ITerms, Json } from './terms.js';

export type * from './bundles.js';
export type * from './terms.js';

/** The number of the API that this front end speaks (`gateway_api.wire.API_VERSION`). */
export const API_VERSION = 1;

export interface IFault {
  field: string;
  message: string;
}

export interface IErrorBody {
  error: string;
  message: string;
  faults: IFault[];
  error_id: string | null;
}

export interface IVersion {
  version: string;
  api: number;
  is_isolated: boolean;
}

/** Who asks: a person, here. */
export interface IPrincipal {
  kind: string;
  user: string;
  groups: string[];
  purpose: string;
  run: string | null;
  attempt: number | null;
  scratch: string | null;
}

export interface IHandshake {
  labserver: string;
  api: number;
  gateway: IVersion | null;
  error: IErrorBody | null;
}

export interface IUpstream {
  table: string;
  job_id: string | null;
  job_name: string | null;
  owner: string | null;
  schedule: string;
  next_run_at: string | null;
  updated_at: string | null;
  is_awaited: boolean;
}

export interface IDependencyNode {
  id: string;
  job_id: string | null;
  name: string;
  owner: string | null;
  schedule: string;
  next_run_at: string | null;
  is_own: boolean;
  depth: number;
}

export interface IDependencyEdge {
  source: string;
  target: string;
  table: string;
  is_awaited: boolean;
}

export interface IDependencies {
  job_id: string;
  nodes: IDependencyNode[];
  edges: IDependencyEdge[];
  upstreams: IUpstream[];
  cycle: string[];
  unknown: IUnknownTable[];
  warnings: IFault[];
  is_truncated: boolean;
}

export interface IPromoteRequest extends Partial<ITerms> {
  bundle: string;
  name: string;
  schedule: ISchedule;
  parameters: IParameter[];
  job_id: string | null;
  message: string;
  expected_version?: number | null;
}

/** What a job is going to cost in the next 30 days; `unestimated` comes on top. */
export interface IForecast {
  is_pending: boolean;
  run_bytes: number;
  fires: number;
  month_bytes: number;
  month_cost: number;
  currency: string;
  unestimated: IUnestimated[];
}

/** A cell (counted from 0 among all) whose bytes could not be estimated, and why. */
export interface IUnestimated {
  cell: number;
  why: string;
}

/** Run a job for each fire of its schedule from a moment to another. */
export interface IBackfillRequest {
  from_at: string;
  to_at: string;
}

export interface IBackfillPreview {
  runs: string[];
}

export interface IBackfill {
  id: number;
  job_id: string;
  from_at: string;
  to_at: string;
  created_at: string;
  ended_at: string | null;
  runs: { [state: string]: number };
}

export type RunMarkKind = 'moved' | 'repeated';

/** A run where the clocks change: its wall time was skipped, or comes twice. */
export interface IRunMark {
  run: string;
  kind: RunMarkKind;
}

export interface ICheck {
  faults: IFault[];
  next_runs: string[];
  job_id: string | null;
  next_version: number;
  is_unchanged: boolean;
  upstreams: IUpstream[];
  cycle: string[];
  warnings: IFault[];
  marks: IRunMark[];
  made_up: number;
  forecast: IForecast | null;
}

export type PromotionState = 'committed' | 'waiting' | 'visible' | 'failed';

export interface IPromotion {
  job_id: string;
  version: number;
  state: PromotionState;
  is_unchanged: boolean;
  message: string;
  requested_at: string;
  visible_at: string | null;
}

export type JobState = 'active' | 'paused' | 'deleted';
export type RunState = 'queued' | 'waiting' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'cancelled' | 'skipped';

export interface IRunSummary {
  id: string;
  job_id: string;
  job_name: string;
  job_version: number;
  type: string;
  state: RunState;
  queued_at: string;
  started_at: string | null;
  ended_at: string | null;
  error: string | null;
  cells_done: number;
  cells_total: number;
  waits_for?: string[];
  is_late?: boolean;
}

export interface IRun extends IRunSummary {
  airflow_run_id: string;
  dag_id: string;
  anchor: string | null;
  parameters: { [name: string]: Json };
  is_isolated: boolean;
  may_be_doubled: boolean;
  has_output: boolean;
}

export interface IJob extends ITerms {
  id: string;
  name: string;
  team: string;
  owner: string;
  version: number;
  bundle: string;
  source: ISource;
  state: JobState;
  promotion: PromotionState;
  next_run_at: string | null;
  last_run: IRunSummary | null;
  created_at: string;
  updated_at: string;
  /** Of its present version, as in `IJobVersion`. */
  rehearsed_at: string | null;
}

/** Which jobs are wanted: by words, or by their notebook (its id or its path), and which page of them. */
export interface IJobQuery {
  search?: string;
  path?: string;
  notebook_id?: string;
  offset?: number;
  limit?: number;
}

export interface IJobPage {
  jobs: IJob[];
  total: number;
}

export interface IJobVersion {
  version: number;
  deployed_at: string;
  deployed_by: string;
  message: string;
  content_hash: string;
  bundle: string;
  origin: number | null;
  /** When whoever deployed it had last rehearsed it with success, null where they had not. */
  rehearsed_at: string | null;
}

/** A notebook's cell as a bundle keeps it; `source` may be a list of lines. */
export interface ICell {
  id?: string;
  cell_type: string;
  source: string | string[];
  metadata: { tags?: string[] };
}

export interface IVersionContent extends IJobVersion, ITerms {
  job_id: string;
  name: string;
  owner: string;
  source: ISource;
  files: string[];
  environment: EnvironmentKind;
  notebook: { cells: ICell[] };
}

export interface IRollbackRequest {
  version: number;
  message?: string;
  expected_version?: number | null;
}

export interface IRunRequest {
  parameters: { [name: string]: Json };
  note?: string;
}

export interface ISchedulePreview {
  runs: string[];
  faults: IFault[];
  marks: IRunMark[];
  made_up: number;
}

/** What `%%athena` shows: the payload of `application/vnd.athena.result+json`. */
export interface IResult {
  version: 1;
  name: string | null;
  columns: { name: string; type: string }[];
  rows: Json[][];
  total_rows: number;
  bytes_processed: number | null;
  cost?: number | null;
  currency?: string | null;
  job_id?: string | null;
  elapsed_ms: number | null;
  truncated?: boolean;
}

/** Tell whether a run in this state will change no more. */
export function isFinal(state: RunState): boolean {
  return ['succeeded', 'failed', 'cancelled', 'skipped'].includes(state);
}
