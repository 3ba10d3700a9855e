/** Schedules in plain words: presets to cron and back; a cron that no preset says stays as it is. */
import type { IWords } from '../tokens/names.js';
import type { ISchedule, MissedRuns } from '../tokens/wire.js';
import { instantOf, wallOf } from './times.js';

export type Preset = 'manual' | 'hourly' | 'daily' | 'weekdays' | 'weekly' | 'monthly' | 'custom';
export const PRESETS: readonly Preset[] = ['manual', 'hourly', 'daily', 'weekdays', 'weekly', 'monthly', 'custom'];

/** A schedule as the form shows it; fields that the preset does not use keep what was last typed. */
export interface IPlan {
  preset: Preset;
  /** "HH:MM" in the plan's zone; an hourly plan uses its minutes. */
  time: string;
  /** 0 is Sunday, as in cron. */
  weekday: number;
  /** 1 to 31. */
  day: number;
  cron: string;
  timezone: string;
  /** From when to when it fires, as wall clock times "YYYY-MM-DDTHH:MM" in its zone; empty is unbounded. */
  start: string;
  end: string;
  missed: MissedRuns;
}

/** The plan of a job that nobody has scheduled yet. */
export function defaultPlan(timezone: string): IPlan {
  const always = { start: '', end: '', missed: 'latest' } as const;
  return { preset: 'daily', time: '07:00', weekday: 1, day: 1, cron: '0 7 * * *', timezone, ...always };
}

/** Give the cron expression that a plan stands for, null for "by hand only". */
export function cronOf(plan: IPlan): string | null {
  const [hour, minute] = plan.time.split(':').map(Number);
  switch (plan.preset) {
    case 'manual':
      return null;
    case 'hourly':
      return `${minute} * * * *`;
    case 'daily':
      return `${minute} ${hour} * * *`;
    case 'weekdays':
      return `${minute} ${hour} * * 1-5`;
    case 'weekly':
      return `${minute} ${hour} * * ${plan.weekday}`;
    case 'monthly':
      return `${minute} ${hour} ${plan.day} * *`;
    case 'custom':
      return plan.cron.trim();
  }
}

/** Give the schedule that crosses the wire. */
export function scheduleOf(plan: IPlan): ISchedule {
  const timezone = plan.timezone.trim();
  const instant = (wall: string) => (wall === '' ? null : instantOf(timezone, wall));
  return { cron: cronOf(plan), timezone, start: instant(plan.start), end: instant(plan.end), missed: plan.missed };
}

/** Read a schedule back into a plan: the preset that says the same, else the raw cron. */
export function planOf(schedule: ISchedule): IPlan {
  const wall = (iso: string | null) => (iso === null ? '' : wallOf(schedule.timezone, iso));
  const bounds = { start: wall(schedule.start), end: wall(schedule.end), missed: schedule.missed };
  const plan = { ...defaultPlan(schedule.timezone), ...bounds };
  if (schedule.cron === null) {
    return { ...plan, preset: 'manual' };
  }
  const custom: IPlan = { ...plan, preset: 'custom', cron: schedule.cron };
  const fields = schedule.cron.trim().split(/\s+/);
  if (fields.length !== 5 || !isNumber(fields[0])) {
    return custom;
  }
  const [minute, hour, day, month, weekday] = fields;
  const preset = presetOf(hour, day, month, weekday);
  if (preset === 'custom') {
    return custom;
  }
  const time = `${(hour === '*' ? '0' : hour).padStart(2, '0')}:${minute.padStart(2, '0')}`;
  return {
    ...custom,
    preset,
    time,
    weekday: preset === 'weekly' ? Number(weekday) % 7 : plan.weekday,
    day: preset === 'monthly' ? Number(day) : plan.day
  };
}

function presetOf(hour: string, day: string, month: string, weekday: string): Preset {
  const key = [hour, day, month, weekday].map(field => (isNumber(field) ? 'n' : field)).join(' ');
  const presets: Record<string, Preset> = {
    '* * * *': 'hourly',
    'n * * *': 'daily',
    'n * * 1-5': 'weekdays',
    'n * * n': 'weekly',
    'n n * *': 'monthly'
  };
  return presets[key] ?? 'custom';
}

function isNumber(field: string): boolean {
  return /^\d+$/.test(field);
}

/** Give a weekday's name (0 is Sunday) in the reader's language. */
export function weekdayName(weekday: number, locale?: string): string {
  // 4 January 1970 was a Sunday.
  const date = new Date(Date.UTC(1970, 0, 4 + weekday));
  return new Intl.DateTimeFormat(locale, { weekday: 'long', timeZone: 'UTC' }).format(date);
}

/** Say a preset's name. */
export function presetLabel(preset: Preset, trans: IWords): string {
  const labels: Record<Preset, string> = {
    manual: trans.__('By hand'),
    hourly: trans.__('Hourly'),
    daily: trans.__('Daily'),
    weekdays: trans.__('Weekdays'),
    weekly: trans.__('Weekly'),
    monthly: trans.__('Monthly'),
    custom: trans.__('Cron expression')
  };
  return labels[preset];
}

/** Say a schedule in words: "Weekdays at 07:00 (Europe/Berlin)". */
export function describeSchedule(schedule: ISchedule, trans: IWords, locale?: string): string {
  const plan = planOf(schedule);
  const zone = plan.timezone;
  const minute = plan.time.split(':')[1];
  switch (plan.preset) {
    case 'manual':
      return trans.__('By hand only');
    case 'hourly':
      return trans.__('Hourly at minute %1 (%2)', minute, zone);
    case 'daily':
      return trans.__('Daily at %1 (%2)', plan.time, zone);
    case 'weekdays':
      return trans.__('Weekdays at %1 (%2)', plan.time, zone);
    case 'weekly':
      return trans.__('%1 at %2 (%3)', weekdayName(plan.weekday, locale), plan.time, zone);
    case 'monthly':
      return trans.__('Day %1 of each month at %2 (%3)', plan.day, plan.time, zone);
    case 'custom':
      return trans.__('Cron %1 (%2)', plan.cron, zone);
  }
}
