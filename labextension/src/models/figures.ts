/** Counts, bytes and durations as people read them. */

/** Say a count with the reader's separators: "1,234". */
export function formatCount(count: number, locale?: string): string {
  return new Intl.NumberFormat(locale).format(count);
}

/** Say bytes in the unit that fits: "12.3 MB" (powers of 1000, as BigQuery bills). */
export function formatBytes(bytes: number, locale?: string): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : 1;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${units[unit]}`;
}

/** Say a duration: "0.21 s", "12.3 s", "4 min 05 s", "2 h 07 min". */
export function formatDuration(milliseconds: number, locale?: string): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) {
    const digits = seconds < 1 ? 2 : 1;
    const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return `${new Intl.NumberFormat(locale, format).format(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${pad(Math.floor(seconds % 60))} s`
    : `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
