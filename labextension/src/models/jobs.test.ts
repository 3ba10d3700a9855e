/** The sidebar's list is fresh, keeps what the user opened, and says why it cannot be fresh. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IAthenaApi } from '../api.js';
import { Failure } from '../tokens/failure.js';
import type { IHandshake, IJob, IJobQuery, IRunSummary } from '../tokens/wire.js';
import { isMatching, isMoving, JobsModel, PAGE } from './jobs.js';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/wire/${name}.json`, import.meta.url), 'utf8')) as unknown;
const JOB = read('job') as IJob;
const RUN = read('run_summary') as IRunSummary;
const HANDSHAKE = read('handshake') as IHandshake;
const AWAY = new Failure(503, { error: 'UnreachableError', message: 'away', faults: [], error_id: null });

const page = (jobs: IJob[], total = jobs.length) => ({ jobs, total });

function modelOf(patch: Partial<IAthenaApi>): JobsModel {
  // In memory: these tests are about what stays on the screen between two answers.
  return new JobsModel({
    getHandshake: () => Promise.resolve(HANDSHAKE),
    findJobs: () => Promise.resolve(page([JOB])),
    getJob: () => Promise.resolve(JOB),
    listRuns: () => Promise.resolve([RUN]),
    ...patch
  } as unknown as IAthenaApi);
}

test('opening a job reads its runs, closing it forgets them', async () => {
  const model = modelOf({});
  await model.refresh();
  await model.toggle(JOB.id);
  assert.deepEqual(model.state.runs[JOB.id], [RUN]);
  await model.toggle(JOB.id);
  assert.equal(model.state.runs[JOB.id], undefined);
  model.dispose();
});

test('the list stays when the gateway goes away, with the reason above it', async () => {
  let isAway = false;
  const model = modelOf({ findJobs: () => (isAway ? Promise.reject(AWAY) : Promise.resolve(page([JOB]))) });
  await model.refresh();
  isAway = true;
  await model.refresh();
  assert.equal(model.state.jobs.length, 1);
  assert.equal(model.state.failure, AWAY);
  isAway = false;
  await model.refresh();
  assert.equal(model.state.failure, null);
  model.dispose();
});

test('a refused button leaves the list and shows the refusal until it is dismissed', async () => {
  const model = modelOf({ pauseJob: () => Promise.reject(AWAY) });
  assert.equal(await model.pause(JOB.id), false);
  assert.equal(model.state.refusal, AWAY);
  model.dismiss();
  assert.equal(model.state.refusal, null);
  model.dispose();
});

test('a running run or a waiting promotion makes the list move', async () => {
  const model = modelOf({});
  await model.refresh();
  assert.equal(isMoving({ ...model.state, jobs: [{ ...JOB, last_run: null }] }), false);
  assert.equal(isMoving({ ...model.state, jobs: [{ ...JOB, last_run: { ...RUN, state: 'running' } }] }), true);
  assert.equal(isMoving({ ...model.state, jobs: [{ ...JOB, last_run: null, promotion: 'waiting' }] }), true);
  model.dispose();
});

test('another number of the API on either side does not match', () => {
  assert.equal(isMatching(HANDSHAKE), true);
  assert.equal(isMatching({ ...HANDSHAKE, api: 99 }), false);
  assert.equal(isMatching({ ...HANDSHAKE, gateway: { version: '9', api: 99, is_isolated: true } }), false);
});

test('a long list is asked for page by page, and a search begins at its first page', async () => {
  const asked: IJobQuery[] = [];
  const model = modelOf({
    findJobs: query => {
      asked.push(query);
      return Promise.resolve(page([JOB], 10_000));
    }
  });
  await model.refresh();
  await model.showMore();
  model.search('peak');
  await model.refresh();
  assert.deepEqual(
    asked.map(query => [query.search, query.limit]),
    [['', PAGE], ['', 2 * PAGE], ['peak', PAGE]]
  );
  model.dispose();
});

test('a revealed job is shown although the list does not reach it', async () => {
  const other = { ...JOB, id: 'other' };
  const model = modelOf({ findJobs: () => Promise.resolve(page([other], 10_000)) });
  await model.reveal(JOB.id);
  assert.deepEqual(
    model.state.jobs.map(job => job.id),
    [JOB.id, 'other']
  );
  model.dispose();
});

test('a deletion can be undone until it is forgotten', async () => {
  const restored: string[] = [];
  const model = modelOf({
    deleteJob: () => Promise.resolve(JOB),
    restoreJob: id => {
      restored.push(id);
      return Promise.reject(AWAY);
    }
  });
  await model.remove(JOB);
  assert.equal(model.state.deleted, JOB);
  assert.equal(await model.undoRemove(), false);
  assert.deepEqual([restored, model.state.refusal], [[JOB.id], AWAY]);
  await model.remove(JOB);
  model.forgetRemoved();
  assert.equal(await model.undoRemove(), false);
  assert.equal(restored.length, 1);
  model.dispose();
});
