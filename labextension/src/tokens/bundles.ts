/** Bundles, their slices and lineage on the wire: `athena_lab/gateway_api/{bundles,lineage}.py`. */
import type { IParameter } from './terms.js';

export interface ISource {
  path: string;
  notebook_id: string | null;
  cell_id: string | null;
  cell_ids: string[];
}

export interface ICellSummary {
  index: number;
  cell_id: string;
  first_line: string;
}

export type BundleKind = 'notebook' | 'cell' | 'sql' | 'python';
export type EnvironmentKind = 'platform' | 'lock';
export type DestinationMode = 'create' | 'replace' | 'append';

/** A code cell that may be part of a promoted cell, in the notebook's order (`gateway_api/bundles.py` explains). */
export interface ISliceCell {
  index: number;
  cell_id: string;
  first_line: string;
  is_target: boolean;
  is_needed: boolean;
  is_kept: boolean;
  why: string[];
}

export interface IFileSummary {
  path: string;
  size_bytes: number;
  why: string;
}

export interface IEnvironmentSummary {
  kind: EnvironmentKind;
  python: string;
  packages: number;
  warnings: string[];
}

export interface IDestination {
  table: string;
  mode: DestinationMode;
}

export interface IExecution {
  cell_id: string;
  source_sha256: string;
  count: number;
}

export interface IDistribution {
  name: string;
  version: string;
  is_editable: boolean;
  direct_url: string | null;
}

/** What a live kernel tells of itself. */
export interface IKernelReport {
  executions: IExecution[];
  names: string[];
  distributions: IDistribution[];
  python: string;
}

/** The body of `POST /athena/draft`; everything but `path` may be left out. */
export interface IDraftRequest {
  path: string;
  cell_id?: string | null;
  cell_ids?: string[];
  kept_cells?: string[] | null;
  destination?: IDestination | null;
  environment?: EnvironmentKind;
  /** The job whose environment is kept where none is named. */
  job_id?: string | null;
  files?: string[];
  globs?: string[];
  report?: IKernelReport;
}

export interface IBundle {
  hash: string;
  source: ISource;
  kind: BundleKind;
  cells: ICellSummary[];
  parameters: IParameter[];
  slice: ISliceCell[];
  undecided: string[];
  missing_names: string[];
  files: IFileSummary[];
  environment: IEnvironmentSummary;
  size_bytes: number;
  warnings: string[];
  lineage: ILineage;
}

export interface IUnknownTable {
  cell: number | null;
  text: string;
}

export interface ILineage {
  reads: string[];
  writes: string[];
  unknown: IUnknownTable[];
  columns: Record<string, string[]>;
  made: string[];
  is_complete: boolean;
}
