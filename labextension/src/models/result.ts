/** A query's result as `%%athena` shows it: its payload checked, its cells, its footer, its copy as text. */
import type { IWords } from '../tokens/names.js';
import type { IResult, Json } from '../tokens/wire.js';
import { formatBytes, formatCount, formatDuration } from './figures.js';

const NUMERIC = new Set(['INTEGER', 'INT64', 'FLOAT', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'DECIMAL', 'BIGDECIMAL']);

/** Give the payload, or null if it is not one that this release can show. */
export function readResult(value: unknown): IResult | null {
  const result = value as Partial<IResult> | null | undefined;
  const isKnown =
    typeof result === 'object' &&
    result !== null &&
    result.version === 1 &&
    Array.isArray(result.columns) &&
    Array.isArray(result.rows) &&
    typeof result.total_rows === 'number';
  return isKnown ? (result as IResult) : null;
}

/** Whether values of a column of this type (BigQuery's names) stand at the right. */
export function isNumeric(type: string): boolean {
  return NUMERIC.has(type.toUpperCase().replace(/\(.*$/, ''));
}

/** Write a value as its cell shows it; NULL is told apart by the caller. */
export function cellText(value: Json | undefined): string {
  if (value === null || value === undefined) {
    return 'NULL';
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Say what the result is: "1,234 rows · 12.3 MB processed · 0.21 s". */
export function footerOf(result: IResult, trans: IWords, locale?: string): string {
  const rows = trans._n('%2 row', '%2 rows', result.total_rows, formatCount(result.total_rows, locale));
  // A statement without columns (DDL, DML) has no rows to count.
  const parts = [result.columns.length > 0 ? rows : trans.__('Done')];
  if (result.rows.length < result.total_rows) {
    parts.push(trans.__('first %1 shown', formatCount(result.rows.length, locale)));
  }
  if (typeof result.bytes_processed === 'number') {
    parts.push(trans.__('%1 processed', formatBytes(result.bytes_processed, locale)));
  }
  if (typeof result.cost === 'number' && result.currency) {
    const style = { style: 'currency', currency: result.currency, maximumSignificantDigits: 2 } as const;
    parts.push(new Intl.NumberFormat(locale, style).format(result.cost));
  }
  if (typeof result.elapsed_ms === 'number') {
    parts.push(formatDuration(result.elapsed_ms, locale));
  }
  return parts.join(' · ');
}

/** A cell by its column and row, from 0. */
export interface ICursor {
  x: number;
  y: number;
}

/** Move a cursor as the ARIA grid pattern says; null for keys that do not move it. */
export function moveCursor(
  cursor: ICursor,
  key: string,
  isControl: boolean,
  size: { columns: number; rows: number; page: number }
): ICursor | null {
  const { x, y } = cursor;
  const last = { x: size.columns - 1, y: size.rows - 1 };
  const moves: Record<string, ICursor> = {
    ArrowLeft: { x: x - 1, y },
    ArrowRight: { x: x + 1, y },
    ArrowUp: { x, y: y - 1 },
    ArrowDown: { x, y: y + 1 },
    PageUp: { x, y: y - size.page },
    PageDown: { x, y: y + size.page },
    Home: isControl ? { x: 0, y: 0 } : { x: 0, y },
    End: isControl ? last : { x: last.x, y }
  };
  const to = moves[key];
  return to ? { x: clamp(to.x, last.x), y: clamp(to.y, last.y) } : null;
}

function clamp(value: number, last: number): number {
  return Math.max(0, Math.min(value, last));
}
