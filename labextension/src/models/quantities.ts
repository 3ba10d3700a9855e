/** Durations and sizes as people type them: "90 s", "10 min", "6 h"; "500 MB", "1.5 TB". */

const SECONDS: Record<string, number> = { s: 1, min: 60, h: 3600, d: 86400 };
const BYTES: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, pb: 1e15 };

/** Read a duration into seconds; a bare number is seconds. Undefined where it is none. */
export function readDuration(text: string): number | undefined {
  return read(text, SECONDS, 's');
}

/** Write seconds in the largest unit that leaves no remainder: "6 h". */
export function writeDuration(seconds: number): string {
  return write(seconds, SECONDS, unit => unit);
}

/** Read a size into bytes (powers of 1000, as BigQuery bills); a bare number is bytes. Undefined where it is none. */
export function readBytes(text: string): number | undefined {
  return read(text, BYTES, 'b');
}

/** Write bytes in the largest unit that leaves at most two decimals: "1.5 TB". */
export function writeBytes(bytes: number): string {
  const names: Record<string, string> = { b: 'B', kb: 'kB', mb: 'MB', gb: 'GB', tb: 'TB', pb: 'PB' };
  return write(bytes, BYTES, unit => names[unit], 100);
}

function read(text: string, units: Record<string, number>, bare: string): number | undefined {
  const found = /^\s*(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)\s*$/i.exec(text);
  const size = found ? units[found[2].toLowerCase() || bare] : undefined;
  if (!found || size === undefined) {
    return undefined;
  }
  const value = Math.round(Number(found[1]) * size);
  return Number.isSafeInteger(value) ? value : undefined;
}

function write(value: number, units: Record<string, number>, name: (unit: string) => string, parts = 1): string {
  const fitting = Object.entries(units).filter(([, size]) => value >= size && Number.isInteger((value * parts) / size));
  const [unit, size] = fitting.at(-1) ?? Object.entries(units)[0];
  return `${value / size} ${name(unit)}`;
}
