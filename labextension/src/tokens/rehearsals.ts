/** Rehearsals on the wire: the TypeScript side of `athena_lab/gateway_api/rehearsals.py`. */
import type { IUnknownTable } from './bundles.js';
import type { IGuards, IParameter, ITables, Json } from './terms.js';
import type { RunState } from './wire.js';

/** Run a bundle once, before it is deployed; the fields are those of a promotion. */
export interface IRehearsalRequest {
  bundle: string;
  job_id: string | null;
  timezone: string;
  parameters: IParameter[];
  tables: ITables | null;
  timeout_s: number;
  guards: IGuards;
}

/** One code cell of a run: "pending", "running", "succeeded" or "failed"; `index` counts code cells from 0. */
export interface ICellRun {
  index: number;
  state: string;
  started_at: string | null;
  ended_at: string | null;
  error: string | null;
}

/** A written table, the scratch table that took its place, and how they differ. */
export interface IRehearsedTable {
  table: string;
  scratch: string;
  is_copied: boolean;
  /** Why the scratch table began empty although the table has rows. */
  withheld: 'masked_columns' | 'filtered_rows' | null;
  /** When it was copied. */
  rows_before: number | null;
  rows_after: number | null;
  columns_added: string[];
  columns_removed: string[];
  columns_changed: string[];
}

/** A write that did not go to the scratch dataset and was refused. */
export interface IRefusedWrite {
  cell: number | null;
  text: string;
}

export interface IRehearsal {
  id: string;
  bundle: string;
  job_id: string | null;
  owner: string;
  state: RunState;
  queued_at: string;
  started_at: string | null;
  ended_at: string | null;
  error: string | null;
  anchor: string | null;
  parameters: Record<string, Json>;
  cells_total: number;
  /** The cell that copies the written tables, none of the bundle's own. */
  preparation: ICellRun | null;
  cells: ICellRun[];
  billed_bytes: number | null;
  scratch_dataset: string;
  tables: IRehearsedTable[];
  redirected: number;
  /** Text that names a written table and could not be changed, so that it reads the table itself. */
  missed: IUnknownTable[];
  refused: IRefusedWrite[];
  has_output: boolean;
}
