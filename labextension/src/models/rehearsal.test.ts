/** Rehearsals of a form: found again, started, followed through outages, stopped, and told from earlier content. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IAthenaApi } from '../api.js';
import { Failure } from '../tokens/failure.js';
import type { IRehearsal, IRehearsalRequest } from '../tokens/rehearsals.js';
import type { IBundle } from '../tokens/wire.js';
import { RehearsalModel } from './rehearsal.js';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/wire/${name}.json`, import.meta.url), 'utf8')) as unknown;
const BUNDLE = read('bundle') as IBundle;
const ENDED = read('rehearsal') as IRehearsal;
const GOING: IRehearsal = { ...ENDED, state: 'running', ended_at: null };
const REQUEST = { bundle: BUNDLE.hash, parameters: [], tables: null } as unknown as IRehearsalRequest;
const failureOf = (status: number, error: string) => new Failure(status, { error, message: error, faults: [], error_id: null });

/** An API in memory: these tests are about the order of requests, which a server would hide. */
function modelOf(patch: Partial<IAthenaApi>, prepare = () => Promise.resolve({ request: REQUEST, bundle: BUNDLE })) {
  const asked: string[] = [];
  const api = {
    listRehearsals: () => Promise.resolve([GOING]),
    rehearse: () => {
      asked.push('rehearse');
      return Promise.resolve(GOING);
    },
    getRehearsal: (_: string, waitSeconds: number) => {
      asked.push(`get ${waitSeconds}`);
      return Promise.resolve(ENDED);
    },
    cancelRehearsal: () => {
      asked.push('cancel');
      return Promise.resolve(GOING);
    },
    ...patch
  } as unknown as IAthenaApi;
  return { model: new RehearsalModel({ api, prepare }), asked };
}

test('a rehearsal is followed to its end, and what was asked for is kept', async () => {
  const { model, asked } = modelOf({});
  await model.start();
  assert.deepEqual(asked, ['rehearse', 'get 20']);
  assert.equal(model.state.rehearsal?.state, 'failed');
  assert.equal(model.state.asked, REQUEST);
  assert.equal(model.isBusy, false);
});

test('a panel that opens finds the last rehearsal of its bundle and follows it on', async () => {
  const answers = [GOING, ENDED];
  const { model } = modelOf({ getRehearsal: () => Promise.resolve(answers.shift() ?? ENDED) });
  await model.find(BUNDLE);
  assert.equal(model.state.rehearsal?.state, 'failed');
  assert.equal(model.state.asked, null);
  assert.equal(answers.length, 0);
});

test('a bundle that was never rehearsed leaves the rehearsal of earlier content on the screen', async () => {
  const { model } = modelOf({ listRehearsals: bundle => Promise.resolve(bundle === BUNDLE.hash ? [ENDED] : []) });
  await model.find(BUNDLE);
  await model.find({ ...BUNDLE, hash: 'other' });
  assert.equal(model.state.rehearsal?.bundle, BUNDLE.hash);
  assert.equal(model.state.failure, null);
});

test('a gateway that goes away does not lose a rehearsal', async () => {
  let asked = 0;
  const away = failureOf(503, 'UnreachableError');
  const seen: (Failure | null)[] = [];
  const { model } = modelOf({ getRehearsal: () => (asked++ === 0 ? Promise.reject(away) : Promise.resolve(ENDED)) });
  model.changed.connect((_, state) => seen.push(state.failure));
  await model.start();
  assert.ok(seen.includes(away));
  assert.equal(model.state.failure, null);
  assert.equal(model.state.rehearsal?.state, 'failed');
});

test('a refused rehearsal can be asked for again', async () => {
  const refusal = failureOf(403, 'ForbiddenError');
  const { model } = modelOf({ rehearse: () => Promise.reject(refusal) });
  await model.start();
  assert.equal(model.state.failure, refusal);
  assert.equal(model.isBusy, false);
});

test('a form with faults is not rehearsed', async () => {
  const faulty = failureOf(422, 'InvalidError');
  const { model, asked } = modelOf({}, () => Promise.reject(faulty));
  await model.start();
  assert.deepEqual(asked, []);
  assert.equal(model.state.failure, faulty);
});

test('a rehearsal that the gateway has forgotten is no longer waited for', async () => {
  const { model } = modelOf({ getRehearsal: () => Promise.reject(failureOf(404, 'NotFoundError')) });
  await model.start();
  assert.equal(model.state.isGoing, false);
  assert.equal(model.state.failure?.name, 'NotFoundError');
});

test('a second press starts nothing while one goes on, and stopping asks the gateway once', async () => {
  let end: (value: IRehearsal) => void = () => undefined;
  const { model, asked } = modelOf({ getRehearsal: () => new Promise(resolve => (end = resolve)) });
  const going = model.start();
  await new Promise(resolve => setImmediate(resolve));
  await model.start();
  await model.stop();
  assert.equal(model.state.isStopping, true);
  end({ ...ENDED, state: 'cancelled' });
  await going;
  assert.deepEqual(asked, ['rehearse', 'cancel']);
  assert.equal(model.state.isStopping, false);
  assert.equal(model.state.rehearsal?.state, 'cancelled');
});

test('a warehouse that was away at the end is asked again for what was written', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const answers = [{ ...ENDED, billed_bytes: null }, { ...ENDED, billed_bytes: null }, ENDED];
  const { model } = modelOf({ getRehearsal: () => Promise.resolve(answers.shift() ?? ENDED) });
  const started = model.start();
  while (answers.length > 0) {
    await new Promise(resolve => setImmediate(resolve));
    t.mock.timers.tick(3000);
  }
  await started;
  assert.equal(model.state.rehearsal?.billed_bytes, ENDED.billed_bytes);
  assert.equal(model.isBusy, false);
});
