/** Presets and cron expressions say the same, there and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cronOf, describeSchedule, planOf, scheduleOf } from './schedule.js';
import { WORDS } from './words.test.js';

const ALWAYS = { start: null, end: null, missed: 'latest' } as const;

const PAIRS: [string, string, string][] = [
  ['15 * * * *', 'hourly', 'Hourly at minute 15 (UTC)'],
  ['5 7 * * *', 'daily', 'Daily at 07:05 (UTC)'],
  ['30 18 * * 1-5', 'weekdays', 'Weekdays at 18:30 (UTC)'],
  ['0 6 * * 0', 'weekly', 'Sunday at 06:00 (UTC)'],
  ['0 6 31 * *', 'monthly', 'Day 31 of each month at 06:00 (UTC)'],
  ['*/20 6 * 2 1', 'custom', 'Cron */20 6 * 2 1 (UTC)'],
  ['not a cron', 'custom', 'Cron not a cron (UTC)']
];

for (const [cron, preset, words] of PAIRS) {
  test(`cron "${cron}" is read as ${preset}, said in words and written back`, () => {
    const plan = planOf({ cron, timezone: 'UTC', ...ALWAYS });
    assert.equal(plan.preset, preset);
    assert.equal(cronOf(plan), cron);
    assert.equal(describeSchedule({ cron, timezone: 'UTC', ...ALWAYS }, WORDS, 'en-GB'), words);
  });
}

test('no cron is by hand', () => {
  assert.equal(cronOf(planOf({ cron: null, timezone: 'UTC', ...ALWAYS })), null);
  assert.equal(describeSchedule({ cron: null, timezone: 'UTC', ...ALWAYS }, WORDS), 'By hand only');
});

test('Sunday written as 7 is the same day as 0', () => {
  assert.equal(planOf({ cron: '0 6 * * 7', timezone: 'UTC', ...ALWAYS }).weekday, 0);
});

test('bounds are wall clock times of the zone in the form, instants on the wire', () => {
  const schedule = {
    cron: '0 7 * * *',
    timezone: 'Europe/Berlin',
    start: '2026-03-01T06:00:00Z',
    end: '2026-09-30T21:59:00Z',
    missed: 'all'
  } as const;
  const plan = planOf(schedule);
  assert.equal(plan.start, '2026-03-01T07:00');
  assert.deepEqual(scheduleOf(plan), schedule);
});
