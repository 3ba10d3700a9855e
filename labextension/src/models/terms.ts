/** A job's terms as the form edits them: text in fields, read back as values or faults. */
import type { IWords } from '../tokens/names.js';
import type {
  AfterMode,
  AlertChannel,
  AlertOn,
  IAfter,
  IAlert,
  IFault,
  IGuards,
  ITables,
  ITerms,
  Overlap
} from '../tokens/wire.js';
import { describeSchedule } from './schedule.js';
import { readBytes, readDuration, writeBytes, writeDuration } from './quantities.js';

/** The limits of a run; an empty text is no limit. */
export interface ILimits {
  retries: string;
  retryDelay: string;
  hasBackoff: boolean;
  timeout: string;
  cellTimeout: string;
  overlap: Overlap;
  runBytes: string;
  monthBytes: string;
}

/** After what the job runs. */
export interface IWaits {
  mode: AfterMode;
  tables: string[];
  deadline: string;
}

/** One alert; `table`, `operator` and `rows` count for a condition only. */
export interface IAlertEntry {
  on: AlertOn;
  channel: AlertChannel;
  target: string;
  table: string;
  operator: string;
  rows: string;
}

/** All of it, beside schedule and parameters. */
export interface ITermsForm {
  limits: ILimits;
  waits: IWaits;
  alerts: IAlertEntry[];
  /** Null: as found in the notebook. */
  tables: ITables | null;
}

export const OPERATORS = ['<', '<=', '=', '!=', '>=', '>'] as const;
const DEFAULT_DEADLINE_S = 6 * 3600;

/** The terms of a job that nobody has scheduled yet (the defaults of `gateway_api.terms`). */
export function defaultTerms(): ITermsForm {
  return {
    limits: {
      retries: '0',
      retryDelay: '1 min',
      hasBackoff: false,
      timeout: '6 h',
      cellTimeout: '',
      overlap: 'queue',
      runBytes: '',
      monthBytes: ''
    },
    waits: { mode: 'time', tables: [], deadline: writeDuration(DEFAULT_DEADLINE_S) },
    alerts: [],
    tables: null
  };
}

/** An alert that is being added. */
export function newAlert(): IAlertEntry {
  return { on: 'failure', channel: 'mail', target: '', table: '', operator: '<', rows: '1' };
}

/** Read deployed terms back into the form. */
export function termsFormOf(terms: ITerms): ITermsForm {
  const { guards, after } = terms;
  const orNone = (value: number | null, write: (value: number) => string) => (value === null ? '' : write(value));
  return {
    limits: {
      retries: String(terms.retries),
      retryDelay: writeDuration(guards.retry_delay_s),
      hasBackoff: guards.has_backoff,
      timeout: writeDuration(terms.timeout_s),
      cellTimeout: orNone(guards.cell_timeout_s, writeDuration),
      overlap: guards.overlap,
      runBytes: orNone(guards.run_bytes, writeBytes),
      monthBytes: orNone(guards.month_bytes, writeBytes)
    },
    waits: { mode: after.mode, tables: [...after.tables], deadline: writeDuration(after.deadline_s) },
    alerts: terms.alerts.map(alert => ({
      ...newAlert(),
      on: alert.on,
      channel: alert.channel,
      target: alert.target,
      ...(alert.condition && { ...alert.condition, rows: String(alert.condition.rows) })
    })),
    tables: terms.tables
  };
}

/** What crosses the wire, beside schedule and parameters. */
export type ITermsRead = Pick<ITerms, 'retries' | 'timeout_s' | 'guards' | 'after' | 'alerts' | 'tables'>;

/** Read the form; a field that cannot be read gives a fault and its default. */
export function readTerms(form: ITermsForm, trans: IWords): { values: ITermsRead; faults: IFault[] } {
  const reader = new Reader(trans);
  const { limits } = form;
  const guards: IGuards = {
    retry_delay_s: reader.duration('guards.retry_delay_s', limits.retryDelay) ?? 60,
    has_backoff: limits.hasBackoff,
    cell_timeout_s: reader.optional(limits.cellTimeout, text => reader.duration('guards.cell_timeout_s', text)),
    overlap: limits.overlap,
    run_bytes: reader.optional(limits.runBytes, text => reader.bytes('guards.run_bytes', text)),
    month_bytes: reader.optional(limits.monthBytes, text => reader.bytes('guards.month_bytes', text))
  };
  const isTime = form.waits.mode === 'time';
  const after: IAfter = {
    mode: form.waits.mode,
    tables: isTime ? [] : form.waits.tables,
    deadline_s: (isTime ? undefined : reader.duration('after.deadline_s', form.waits.deadline)) ?? DEFAULT_DEADLINE_S
  };
  const values = {
    retries: reader.count('retries', limits.retries) ?? 0,
    timeout_s: reader.duration('timeout_s', limits.timeout) ?? 6 * 3600,
    guards,
    after,
    alerts: form.alerts.map((alert, index) => alertOf(alert, index, reader)),
    tables: form.tables && { reads: namesOf(form.tables.reads), writes: namesOf(form.tables.writes) }
  };
  return { values, faults: reader.faults };
}

/** Say when a job runs: by its schedule, after updates of tables, or both. */
export function describeTerms(terms: Pick<ITerms, 'schedule' | 'after'>, trans: IWords, locale?: string): string {
  const { schedule, after } = terms;
  const tables = after.tables.join(', ');
  switch (after.mode) {
    case 'time':
      return describeSchedule(schedule, trans, locale);
    case 'updates':
      return trans.__('After updates of %1', tables);
    case 'time_and_updates':
      return trans.__('%1, after updates of %2', describeSchedule(schedule, trans, locale), tables);
  }
}

function namesOf(lines: readonly string[]): string[] {
  return lines.map(line => line.trim()).filter(Boolean);
}

function alertOf(entry: IAlertEntry, index: number, reader: Reader): IAlert {
  const { on, channel, target, table, operator } = entry;
  const rows = on === 'condition' ? reader.count(`alerts.${index}.condition.rows`, entry.rows) : undefined;
  const condition = on === 'condition' ? { table: table.trim(), operator, rows: rows ?? 0 } : null;
  return { on, channel, target: target.trim(), condition };
}

class Reader {
  readonly faults: IFault[] = [];

  constructor(private readonly trans: IWords) {}

  optional(text: string, read: (text: string) => number | undefined): number | null {
    return text.trim() === '' ? null : (read(text) ?? null);
  }

  duration(field: string, text: string): number | undefined {
    const message = this.trans.__("Cannot read the duration '%1'. Write for example 90 s, 10 min or 6 h.", text);
    return this.take(field, readDuration(text), message);
  }

  bytes(field: string, text: string): number | undefined {
    const message = this.trans.__("Cannot read the size '%1'. Write for example 500 MB, 10 GB or 1 TB.", text);
    return this.take(field, readBytes(text), message);
  }

  count(field: string, text: string): number | undefined {
    const value = /^\s*\d{1,12}\s*$/.test(text) ? Number(text) : undefined;
    return this.take(field, value, this.trans.__("Cannot read the number '%1'. Write a whole number from 0.", text));
  }

  private take(field: string, value: number | undefined, message: string): number | undefined {
    if (value === undefined) {
      this.faults.push({ field, message });
    }
    return value;
  }
}
