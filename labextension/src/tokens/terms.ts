/** The terms of a job on the wire: the TypeScript side of `athena_lab/gateway_api/terms.py`. */

/** A JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export type ParameterType = 'int' | 'float' | 'bool' | 'str' | 'date' | 'datetime' | 'json';

export interface IParameter {
  name: string;
  type: ParameterType;
  default: Json;
  value: Json;
  relative: string | null;
  description: string;
}

export type MissedRuns = 'skip' | 'latest' | 'all';

export interface ISchedule {
  cron: string | null;
  timezone: string;
  start: string | null;
  end: string | null;
  missed: MissedRuns;
}

export type AfterMode = 'time' | 'updates' | 'time_and_updates';

export interface IAfter {
  mode: AfterMode;
  tables: string[];
  deadline_s: number;
}

export interface ITables {
  reads: string[];
  writes: string[];
}

export type Overlap = 'queue' | 'skip' | 'allow';

export interface IGuards {
  retry_delay_s: number;
  has_backoff: boolean;
  cell_timeout_s: number | null;
  overlap: Overlap;
  run_bytes: number | null;
  month_bytes: number | null;
}

export type AlertOn = 'failure' | 'late' | 'condition';
export type AlertChannel = 'mail' | 'slack' | 'webhook';

export interface IRowCondition {
  table: string;
  operator: string;
  rows: number;
}

export interface IAlert {
  on: AlertOn;
  channel: AlertChannel;
  target: string;
  condition: IRowCondition | null;
}

/** How a job runs, beside what it runs. */
export interface ITerms {
  schedule: ISchedule;
  after: IAfter;
  parameters: IParameter[];
  tables: ITables | null;
  retries: number;
  timeout_s: number;
  guards: IGuards;
  alerts: IAlert[];
}
