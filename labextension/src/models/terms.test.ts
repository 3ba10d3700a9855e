/** A job's terms: from the wire to the form and back, and what the form itself can see to be wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IJob } from '../tokens/wire.js';
import { defaultTerms, describeTerms, newAlert, readTerms, termsFormOf } from './terms.js';
import { WORDS } from './words.test.js';

const JOB = JSON.parse(readFileSync(new URL('../../../tests/wire/job.json', import.meta.url), 'utf8')) as IJob;

test('deployed terms come back from the form as they were', () => {
  const job: IJob = {
    ...JOB,
    retries: 3,
    timeout_s: 7200,
    guards: { ...JOB.guards, cell_timeout_s: 90, run_bytes: 5e9, has_backoff: true },
    after: { mode: 'time_and_updates', tables: ['sales.orders'], deadline_s: 3600 },
    alerts: [
      { on: 'failure', channel: 'mail', target: 'a@b.example', condition: null },
      { on: 'condition', channel: 'slack', target: 'hook', condition: { table: 'a.b', operator: '<', rows: 7 } }
    ]
  };
  const { values, faults } = readTerms(termsFormOf(job), WORDS);
  const { retries, timeout_s, guards, after, alerts, tables } = job;
  assert.deepEqual(values, { retries, timeout_s, guards, after, alerts, tables });
  assert.deepEqual(faults, []);
});

test('the form of a new job says the defaults of the wire', () => {
  const { values } = readTerms(defaultTerms(), WORDS);
  const { retries, timeout_s, guards, after } = JOB;
  assert.deepEqual({ ...values, alerts: [], tables: null }, { retries, timeout_s, guards, after, alerts: [], tables: null });
});

test('every field that cannot be read is a fault of its own', () => {
  const form = defaultTerms();
  form.limits = { ...form.limits, retries: 'few', timeout: 'long', cellTimeout: '1 week', runBytes: 'much' };
  form.waits = { mode: 'updates', tables: ['a.b'], deadline: '' };
  form.alerts = [{ ...newAlert(), on: 'condition', rows: '-1' }];
  const fields = readTerms(form, WORDS).faults.map(fault => fault.field);
  assert.deepEqual(fields.sort(), [
    'after.deadline_s',
    'alerts.0.condition.rows',
    'guards.cell_timeout_s',
    'guards.run_bytes',
    'retries',
    'timeout_s'
  ]);
});

test('a job that runs by time alone waits for nothing, whatever was ticked before', () => {
  const form = defaultTerms();
  form.waits = { mode: 'time', tables: ['a.b'], deadline: 'soon' };
  const { values, faults } = readTerms(form, WORDS);
  assert.deepEqual(values.after.tables, []);
  assert.deepEqual(faults, []);
});

test('a job that waits says for what', () => {
  const schedule = { ...JOB.schedule, cron: '0 7 * * *', timezone: 'UTC' };
  const after = { mode: 'time_and_updates', tables: ['a.b'], deadline_s: 60 } as const;
  const terms = { schedule, after: { ...after, tables: [...after.tables] } };
  assert.equal(describeTerms(terms, WORDS, 'en-GB'), 'Daily at 07:00 (UTC), after updates of a.b');
  assert.equal(describeTerms({ ...terms, after: { ...terms.after, mode: 'updates' } }, WORDS), 'After updates of a.b');
});
