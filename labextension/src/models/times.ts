/** Moments in a job's zone, with their offset from UTC and the shifts of daylight saving between them. */

/** A run as the preview shows it. */
export interface IMoment {
  iso: string;
  text: string;
  /** "UTC+01:00". */
  offset: string;
  /** Whether the offset differs from the run before it. */
  isShifted: boolean;
}

/** Give the browser's own zone. */
export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** List the zones that the browser knows, "UTC" among them. */
export function knownZones(): string[] {
  return [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])];
}

/** Show moments (ISO 8601) in a zone; an unknown zone is shown as UTC. */
export function momentsIn(zone: string, isoTimes: readonly string[], locale?: string): IMoment[] {
  let before: string | null = null;
  return isoTimes.map(iso => {
    const date = new Date(iso);
    const offset = offsetOf(date, zone);
    const isShifted = before !== null && offset !== before;
    before = offset;
    return { iso, text: formatIn(zone, date, locale), offset, isShifted };
  });
}

/** Say a moment in a zone: "Tue 24 Nov 2026, 07:00". */
export function formatIn(zone: string, date: Date, locale?: string): string {
  return formatter(zone, locale, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23'
  }).format(date);
}

/** Say a moment of the past by the clock alone if it was today in the zone: "07:00". */
export function recentIn(zone: string, date: Date, now: Date, locale?: string): string {
  const day = formatter(zone, locale, { dateStyle: 'short' });
  return day.format(date) === day.format(now)
    ? formatter(zone, locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(date)
    : formatIn(zone, date, locale);
}

/** Give a zone's offset at a moment: "UTC+01:00". */
export function offsetOf(date: Date, zone: string): string {
  const parts = formatter(zone, 'en-US', { timeZoneName: 'longOffset' }).formatToParts(date);
  const name = parts.find(part => part.type === 'timeZoneName')?.value ?? 'GMT';
  return name === 'GMT' ? 'UTC+00:00' : name.replace('GMT', 'UTC');
}

/** Say how far a moment is from now: "in 3 hours", "2 days ago". */
export function relativeTo(now: Date, iso: string, locale?: string): string {
  const seconds = (Date.parse(iso) - now.getTime()) / 1000;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1]
  ];
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

/** Give the instant (ISO 8601, UTC) of a wall clock's time "YYYY-MM-DDTHH:MM" in a zone; null where it is no time.
 *  A time that the zone leaves out is taken as the moment after its gap; of a time that occurs twice, the first. */
export function instantOf(zone: string, wall: string): string | null {
  const naive = Date.parse(`${wall}Z`);
  if (Number.isNaN(naive)) {
    return null;
  }
  const candidates = [naive - 86400e3, naive + 86400e3]
    .map(near => naive - offsetMinutes(new Date(near), zone) * 60e3)
    .sort((one, other) => one - other);
  const exact = candidates.find(instant => wallOf(zone, new Date(instant).toISOString()) === wall.slice(0, 16));
  return new Date(exact ?? candidates[1]).toISOString().replace('.000Z', 'Z');
}

/** Give the wall clock's time "YYYY-MM-DDTHH:MM" of an instant in a zone. */
export function wallOf(zone: string, iso: string): string {
  const date = new Date(iso);
  return new Date(date.getTime() + offsetMinutes(date, zone) * 60e3).toISOString().slice(0, 16);
}

function offsetMinutes(date: Date, zone: string): number {
  const found = /UTC([+-])(\d\d):(\d\d)/.exec(offsetOf(date, zone));
  return found ? (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
}

function formatter(zone: string, locale: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
  } catch {
    // The zone is still being typed, or this browser is older than the zone: the check says so beside the field.
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' });
  }
}
