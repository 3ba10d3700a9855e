/** What a job runs, as the form edits it: the cells that are kept, side files, the environment, SQL's destination. */
import type { DestinationMode, EnvironmentKind, IBundle, IDraftRequest, IKernelReport, ISliceCell, ISource } from '../tokens/wire.js';

/** What is promoted: a whole file, or cells of a notebook by their ids. */
export interface ITarget {
  path: string;
  cellIds: readonly string[];
}

export interface IContent {
  /** The earlier cells that the user keeps; null for those that the slice says. */
  keptCells: string[] | null;
  /** Null keeps the locked environment of `lockedJob`. */
  environment: EnvironmentKind | null;
  /** The job that is deployed, if it runs in a locked environment. */
  lockedJob: string | null;
  /** Files and globs, one a line. */
  files: string;
  table: string;
  mode: DestinationMode;
}

/** The content as it is found. */
export function defaultContent(): IContent {
  return { keptCells: null, environment: 'platform', lockedJob: null, files: '', table: '', mode: 'replace' };
}

/** What is asked of the labserver. */
export function draftOf(target: ITarget, content: IContent, report: IKernelReport | null): IDraftRequest {
  const lines = content.files.split('\n').map(line => line.trim()).filter(Boolean);
  const isGlob = (line: string) => /[*?[]/.test(line);
  const table = content.table.trim();
  return {
    path: target.path,
    cell_id: target.cellIds.length === 1 ? target.cellIds[0] : null,
    cell_ids: target.cellIds.length > 1 ? [...target.cellIds] : [],
    kept_cells: content.keptCells,
    ...(content.environment === null ? { job_id: content.lockedJob } : { environment: content.environment }),
    files: lines.filter(line => !isGlob(line)),
    globs: lines.filter(isGlob),
    destination: table === '' ? null : { table, mode: content.mode },
    ...(report && { report })
  };
}

/** The slice as the user has it now, also while the bundle with that choice is still on its way. */
export function sliceOf(bundle: IBundle, content: IContent): ISliceCell[] {
  const kept = content.keptCells && new Set(content.keptCells);
  return bundle.slice.map(cell => ({
    ...cell,
    is_kept: cell.is_target || (kept ? kept.has(cell.cell_id) : cell.is_needed)
  }));
}

/** Keep or leave out one cell; null again where the choice is what the slice says. */
export function toggleCell(bundle: IBundle, content: IContent, cellId: string, isKept: boolean): string[] | null {
  const kept = new Set(sliceOf(bundle, content).flatMap(cell => (cell.is_kept ? cell.cell_id : [])));
  if (isKept) {
    kept.add(cellId);
  } else {
    kept.delete(cellId);
  }
  return chosenOf(bundle, kept);
}

/** Read the user's choice back from the cells of a deployed version; null where it is what the slice says. */
export function chosenOf(bundle: IBundle, cellIds: ReadonlySet<string>): string[] | null {
  const earlier = bundle.slice.filter(cell => !cell.is_target);
  const isSame = earlier.every(cell => cellIds.has(cell.cell_id) === cell.is_needed);
  return isSame ? null : earlier.filter(cell => cellIds.has(cell.cell_id)).map(cell => cell.cell_id);
}

/** Whether two sources are the same cells of their notebooks, or both the whole. */
export function isSameCells(one: ISource, other: ISource): boolean {
  return one.cell_id === other.cell_id && JSON.stringify(one.cell_ids) === JSON.stringify(other.cell_ids);
}
