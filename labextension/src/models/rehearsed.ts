/** What a rehearsal says in plain words: how the form stands to it, how far it is, what became of its tables. */
import type { IWords } from '../tokens/names.js';
import type { ICellRun, IRehearsal, IRehearsalRequest, IRehearsedTable } from '../tokens/rehearsals.js';
import { type IForecast, type IParameter, isFinal, type Json } from '../tokens/wire.js';
import { formatBytes, formatCount, formatDuration } from './figures.js';
import { isSecret } from './parameters.js';
import { type IRehearsalState, isCounted } from './rehearsal.js';
import { recentIn } from './times.js';

/** What the form would deploy now. */
export interface IPresent {
  request: IRehearsalRequest;
  /** Whether the open file was edited since it was uploaded. */
  isEdited: boolean;
  /** The zone in which moments are told. */
  timezone: string;
}

/** Whether what was rehearsed is other content than what would be deployed now. */
export function isOutdated({ rehearsal, asked }: IRehearsalState, { request, isEdited }: IPresent): boolean {
  if (rehearsal === null) {
    return false;
  }
  if (isEdited || rehearsal.bundle !== request.bundle) {
    return true;
  }
  return asked === null ? !isPassedBy(rehearsal, request.parameters) : keyOf(asked) !== keyOf(request);
}

function keyOf({ parameters, tables }: IRehearsalRequest): string {
  return JSON.stringify([parameters.map(({ name, type, value, relative }) => [name, type, value, relative]), tables]);
}

/** Whether a rehearsal passed what these parameters say, as far as its values tell: a relative date may be any. */
function isPassedBy({ parameters: passed }: IRehearsal, parameters: readonly IParameter[]): boolean {
  return parameters.every(parameter => {
    const value: Json | undefined = passed[parameter.name];
    if (parameter.relative !== null || isSecret(parameter.value)) {
      return value !== undefined;
    }
    const expected = parameter.value ?? parameter.default;
    return JSON.stringify(value ?? parameter.default) === JSON.stringify(expected);
  });
}

/** Say beside Deploy how the form stands to its last rehearsal. */
export function standingOf(state: IRehearsalState, present: IPresent, trans: IWords, now = new Date()): string {
  const { rehearsal, isStarting, isGoing } = state;
  if (isStarting || isGoing) {
    return trans.__('A rehearsal is under way');
  }
  if (rehearsal === null) {
    return trans.__('Not rehearsed');
  }
  if (isOutdated(state, present)) {
    return trans.__('Rehearsed before the last change');
  }
  switch (rehearsal.state) {
    case 'succeeded':
      return successOf(rehearsal, present.timezone, trans, now);
    case 'failed':
      return trans.__('The rehearsal failed');
    case 'cancelled':
    case 'skipped':
      return trans.__('The rehearsal was stopped');
    default:
      return trans.__('The end of the rehearsal is not known');
  }
}

function successOf(rehearsal: IRehearsal, zone: string, trans: IWords, now: Date): string {
  const ended = new Date(rehearsal.ended_at ?? rehearsal.queued_at);
  const at = trans.__('Rehearsed %1, succeeded', recentIn(zone, ended, now));
  const { length } = rehearsal.refused;
  return length === 0 ? at : `${at}; ${trans._n('%1 write was refused', '%1 writes were refused', length)}`;
}

/** Say how far a rehearsal is; changes at each cell, not with the clock. */
export function progressOf(state: IRehearsalState, trans: IWords): string {
  const { rehearsal, isStarting, isStopping } = state;
  if (isStarting) {
    return trans.__('Uploading the notebook…');
  }
  if (rehearsal === null) {
    return '';
  }
  if (isFinal(rehearsal.state)) {
    return endOf(rehearsal, trans);
  }
  return isStopping ? trans.__('Stopping…') : stepOf(rehearsal, trans);
}

function stepOf(rehearsal: IRehearsal, trans: IWords): string {
  if (rehearsal.started_at === null) {
    return trans.__('Waiting for a worker…');
  }
  if (rehearsal.preparation?.state === 'running') {
    return trans.__('Copying the tables that it writes…');
  }
  const running = rehearsal.cells.find(cell => cell.state === 'running');
  const total = Math.max(rehearsal.cells_total, rehearsal.cells.length);
  if (running) {
    return trans.__('Cell %1 of %2 is running…', running.index + 1, total);
  }
  const hasBegun = [rehearsal.preparation, ...rehearsal.cells].some(cell => cell?.started_at);
  return hasBegun ? trans.__('Running…') : trans.__('Starting the notebook…');
}

function endOf(rehearsal: IRehearsal, trans: IWords): string {
  const time = formatDuration(elapsedOf(rehearsal, 0, 0));
  switch (rehearsal.state) {
    case 'succeeded':
      return trans.__('Succeeded after %1', time);
    case 'failed':
      return failureAt(rehearsal, time, trans);
    default:
      return trans.__('Stopped after %1', time);
  }
}

function failureAt({ preparation, cells }: IRehearsal, time: string, trans: IWords): string {
  if (preparation?.state === 'failed') {
    return trans.__('Failed at copying the tables, after %1', time);
  }
  const failed = cells.find(cell => cell.state === 'failed');
  return failed ? trans.__('Failed in cell %1 after %2', failed.index + 1, time) : trans.__('Failed after %1', time);
}

/** Milliseconds from the request to the end, or to now: `since` and `now` are by this machine's clock. */
export function elapsedOf(rehearsal: IRehearsal, since: number, now: number): number {
  const { queued_at, ended_at } = rehearsal;
  return ended_at === null ? now - since : Date.parse(ended_at) - Date.parse(queued_at);
}

/** Milliseconds that a cell took, or has taken until now; null before it began or where its end is not known. */
export function elapsedOfCell(cell: ICellRun, rehearsal: IRehearsal, since: number, now: number): number | null {
  if (cell.started_at === null) {
    return null;
  }
  if (cell.ended_at !== null) {
    return Date.parse(cell.ended_at) - Date.parse(cell.started_at);
  }
  // The server's clock may be another one than this machine's: only differences of one clock are taken.
  const begun = Date.parse(cell.started_at) - Date.parse(rehearsal.queued_at);
  return rehearsal.ended_at === null ? Math.max(0, now - since - begun) : null;
}

/** Say how a cell stands. */
export function cellLabel(cell: ICellRun, rehearsal: IRehearsal, trans: IWords): string {
  const hasEnded = isFinal(rehearsal.state);
  switch (cell.state) {
    case 'succeeded':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'running':
      return hasEnded ? trans.__('stopped') : trans.__('running');
    default:
      return hasEnded ? trans.__('not run') : trans.__('waiting');
  }
}

/** Say what a rehearsal billed, with its price where the forecast of the job tells prices. */
export function billOf(rehearsal: IRehearsal, forecast: IForecast | null, trans: IWords): string {
  const bytes = rehearsal.billed_bytes;
  if (bytes === null) {
    return '';
  }
  if (forecast === null || forecast.month_bytes === 0) {
    return trans.__('It billed %1.', formatBytes(bytes));
  }
  const { currency, month_bytes: month, month_cost: cost } = forecast;
  const money = new Intl.NumberFormat(undefined, { style: 'currency', currency }).format((bytes * cost) / month);
  return trans.__('It billed %1, about %2.', formatBytes(bytes), money);
}

/** Say how many rows a table had, and what its scratch table has. */
export function rowsOf(table: IRehearsedTable, rehearsal: IRehearsal, trans: IWords): string {
  if (!isFinal(rehearsal.state)) {
    return trans.__('counted at the end');
  }
  if (!isCounted(rehearsal)) {
    return trans.__('not counted yet');
  }
  if (table.rows_after === null) {
    return trans.__('not written');
  }
  const after = formatCount(table.rows_after);
  return table.rows_before === null ? after : trans.__('%1 → %2', formatCount(table.rows_before), after);
}

/** Say why a scratch table began empty although the table has rows. */
export function withheldOf({ withheld }: IRehearsedTable, trans: IWords): string {
  switch (withheld) {
    case null:
      return '';
    case 'masked_columns':
      return trans.__('Its rows were not copied, because columns of it are masked for you: the scratch table began empty.');
    case 'filtered_rows':
      return trans.__('Its rows were not copied, because you do not see all of them: the scratch table began empty.');
  }
}

/** Say what became of a table's columns, a change a line; of a new table, which it has. */
export function columnChangesOf(table: IRehearsedTable, trans: IWords): string[] {
  if (isNew(table)) {
    return [...table.columns_added];
  }
  return [
    ...table.columns_added.map(column => trans.__('added: %1', column)),
    ...table.columns_removed.map(column => trans.__('removed: %1', column)),
    ...table.columns_changed.map(column => trans.__('changed: %1', column))
  ];
}

/** Whether there is no such table yet; a view in its place, which is not copied either, shows in the columns it loses. */
export function isNew(table: IRehearsedTable): boolean {
  const isKnown = table.is_copied || table.withheld !== null;
  return !isKnown && table.columns_removed.length === 0 && table.columns_changed.length === 0;
}
