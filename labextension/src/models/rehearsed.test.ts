/** What a rehearsal says in words: earlier content, progress, times of one clock, rows, columns, bytes and price. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IRehearsal, IRehearsalRequest } from '../tokens/rehearsals.js';
import type { IForecast, IParameter, RunState } from '../tokens/wire.js';
import type { IRehearsalState } from './rehearsal.js';
import * as rehearsed from './rehearsed.js';
import { WORDS } from './words.test.js';

const REHEARSAL = JSON.parse(
  readFileSync(new URL('../../../tests/wire/rehearsal.json', import.meta.url), 'utf8')
) as IRehearsal;
const DAY: IParameter = { name: 'day', type: 'date', default: '2026-01-01', value: null, relative: 'yesterday', description: '' };
const LIMIT: IParameter = { name: 'limit', type: 'int', default: 10, value: 25, relative: null, description: '' };
const REQUEST = { bundle: REHEARSAL.bundle, parameters: [DAY, LIMIT], tables: null } as unknown as IRehearsalRequest;
const PRESENT: rehearsed.IPresent = { request: REQUEST, isEdited: false, timezone: 'Europe/Berlin' };
const NOW = new Date('2026-11-24T15:00:00Z');

const stateOf = (patch: Partial<IRehearsal>, more: Partial<IRehearsalState> = {}): IRehearsalState => ({
  rehearsal: { ...REHEARSAL, ...patch },
  asked: null,
  cells: [],
  since: 0,
  isStarting: false,
  isGoing: false,
  isStopping: false,
  failure: null,
  ...more
});
const inState = (state: RunState) => stateOf({ state, refused: [] });
const standing = (state: IRehearsalState, present = PRESENT) => rehearsed.standingOf(state, present, WORDS, NOW);

test('beside Deploy it says how the form stands to its rehearsal', () => {
  assert.equal(standing({ ...inState('failed'), rehearsal: null }), 'Not rehearsed');
  assert.equal(standing(inState('succeeded')), 'Rehearsed 14:02, succeeded');
  assert.equal(standing(inState('failed')), 'The rehearsal failed');
  assert.equal(standing(inState('cancelled')), 'The rehearsal was stopped');
  assert.equal(standing({ ...inState('running'), isGoing: true }), 'A rehearsal is under way');
  assert.equal(standing(inState('running')), 'The end of the rehearsal is not known');
});

test('a success with refused writes says so', () => {
  assert.equal(standing(stateOf({ state: 'succeeded' })), 'Rehearsed 14:02, succeeded; 2 writes were refused');
});

test('an edit, another bundle, other values or other tables make a rehearsal one of earlier content', () => {
  const state = inState('succeeded');
  const before = 'Rehearsed before the last change';
  assert.equal(standing(state, { ...PRESENT, isEdited: true }), before);
  assert.equal(standing(state, { ...PRESENT, request: { ...REQUEST, bundle: 'other' } }), before);
  const changed = { ...REQUEST, parameters: [DAY, { ...LIMIT, value: 26 }] };
  assert.equal(standing(state, { ...PRESENT, request: changed }), before);
  const own = { ...state, asked: REQUEST };
  assert.equal(rehearsed.isOutdated(own, PRESENT), false);
  assert.equal(rehearsed.isOutdated(own, { ...PRESENT, request: { ...REQUEST, tables: { reads: [], writes: [] } } }), true);
  const other = { ...REQUEST, parameters: [{ ...DAY, relative: 'today' }, LIMIT] };
  assert.equal(rehearsed.isOutdated(own, { ...PRESENT, request: other }), true);
});

test('a value left at its default is the same as one that was not passed', () => {
  const state = stateOf({ parameters: { day: '2026-11-23' } });
  const request = { ...REQUEST, parameters: [DAY, { ...LIMIT, value: null }] };
  assert.equal(rehearsed.isOutdated(state, { ...PRESENT, request }), false);
  assert.equal(rehearsed.isOutdated(state, { ...PRESENT, request: { ...request, parameters: [{ ...DAY, relative: null }] } }), true);
});

test('progress names the step, and the cell as the notebook counts it', () => {
  const say = (patch: Partial<IRehearsal>, more = {}) => rehearsed.progressOf(stateOf(patch, more), WORDS);
  const running = { ...REHEARSAL.cells[2], state: 'running' };
  assert.equal(say({}, { isStarting: true }), 'Uploading the notebook…');
  assert.equal(say({ state: 'queued', started_at: null }), 'Waiting for a worker…');
  assert.equal(say({ state: 'running', preparation: running, cells: [] }), 'Copying the tables that it writes…');
  assert.equal(say({ state: 'running', preparation: null, cells: [REHEARSAL.cells[3]] }), 'Starting the notebook…');
  assert.equal(say({ state: 'running', cells: [running] }), 'Cell 3 of 4 is running…');
  assert.equal(say({ state: 'running' }, { isStopping: true }), 'Stopping…');
  assert.equal(say({}), 'Failed in cell 3 after 14.0 s');
  const copying = { ...REHEARSAL.cells[2], index: 0 };
  assert.equal(say({ preparation: copying, cells: [] }), 'Failed at copying the tables, after 14.0 s');
  assert.equal(say({ state: 'succeeded' }), 'Succeeded after 14.0 s');
  assert.equal(say({ state: 'cancelled' }), 'Stopped after 14.0 s');
});

test('a running cell is timed although the server has another clock', () => {
  const going = { ...REHEARSAL, state: 'running' as const, ended_at: null };
  const cell = { ...REHEARSAL.cells[1], state: 'running', ended_at: null };
  const since = 1_000_000; // by this machine's clock, decades away from the server's
  assert.equal(rehearsed.elapsedOfCell(cell, going, since, since + 8000), 3000);
  assert.equal(rehearsed.elapsedOf(going, since, since + 8000), 8000);
  assert.equal(rehearsed.elapsedOfCell(REHEARSAL.cells[1], REHEARSAL, since, since), 6000);
  assert.equal(rehearsed.elapsedOfCell(REHEARSAL.cells[3], REHEARSAL, since, since), null);
});

test('cells that a rehearsal did not come to were not run', () => {
  const say = (state: string, rehearsal = REHEARSAL) =>
    rehearsed.cellLabel({ ...REHEARSAL.cells[3], state }, rehearsal, WORDS);
  assert.equal(say('pending'), 'not run');
  assert.equal(say('running'), 'stopped');
  assert.equal(say('pending', { ...REHEARSAL, state: 'running' }), 'waiting');
});

test('a table whose rows were not copied says why and is no new table', () => {
  const table = { ...REHEARSAL.tables[0], is_copied: false, columns_removed: [], columns_changed: [] };
  const masked = { ...table, withheld: 'masked_columns' as const };
  assert.match(rehearsed.withheldOf(masked, WORDS), /columns of it are masked for you/);
  assert.match(rehearsed.withheldOf({ ...table, withheld: 'filtered_rows' }, WORDS), /you do not see all of them/);
  assert.deepEqual([rehearsed.isNew(masked), rehearsed.isNew(table), rehearsed.withheldOf(table, WORDS)], [false, true, '']);
});

test('tables tell their rows and what became of their columns', () => {
  const [copied, fresh] = REHEARSAL.tables;
  const rows = (table = copied, rehearsal = REHEARSAL) => rehearsed.rowsOf(table, rehearsal, WORDS).replace(/[.,]/g, '');
  assert.equal(rows(), '1200 → 1230');
  assert.equal(rows(fresh), 'not written');
  assert.equal(rows({ ...fresh, rows_after: 30 }), '30');
  assert.equal(rows(copied, { ...REHEARSAL, state: 'running' }), 'counted at the end');
  assert.equal(rows(fresh, { ...REHEARSAL, billed_bytes: null }), 'not counted yet');
  const columns = ['added: margin FLOAT64', 'removed: note STRING', 'changed: peak INT64 → FLOAT64'];
  assert.deepEqual(rehearsed.columnChangesOf(copied, WORDS), columns);
  const made = { ...fresh, columns_added: ['peak FLOAT64'] };
  assert.deepEqual(rehearsed.columnChangesOf(made, WORDS), ['peak FLOAT64']);
});

test('bytes billed have the price of the forecast', () => {
  const forecast = { month_bytes: 1e9, month_cost: 50, currency: 'USD' } as IForecast;
  assert.match(rehearsed.billOf(REHEARSAL, forecast, WORDS), /^It billed 21 MB, about .*1\.05.*\.$/);
  assert.equal(rehearsed.billOf(REHEARSAL, null, WORDS), 'It billed 21 MB.');
  assert.equal(rehearsed.billOf({ ...REHEARSAL, billed_bytes: null }, forecast, WORDS), '');
});
