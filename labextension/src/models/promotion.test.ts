/** The way of a notebook to a job: what the form sends, in which order, and what it says meanwhile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IAthenaApi } from '../api.js';
import { Failure } from '../tokens/failure.js';
import type { IRehearsal, IRehearsalRequest } from '../tokens/rehearsals.js';
import type { ICatalogTable } from '../tokens/warehouse.js';
import type { IBundle, ICheck, IJob, IPromoteRequest, IPromotion } from '../tokens/wire.js';
import { findJob } from './link.js';
import { PromotionModel } from './promotion.js';
import { WORDS } from './words.test.js';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/wire/${name}.json`, import.meta.url), 'utf8')) as unknown;
const BUNDLE = read('bundle') as IBundle;
const CHECK = read('check') as ICheck;
const JOB = read('job') as IJob;
const PROMOTION = read('promotion') as IPromotion;
const REHEARSAL = read('rehearsal') as IRehearsal;

/** An API in memory: these tests are about the order of requests, which a server would hide. */
function apiOf(patch: Partial<IAthenaApi>): { api: IAthenaApi; sent: IPromoteRequest[] } {
  const sent: IPromoteRequest[] = [];
  const api = {
    draft: () => Promise.resolve(BUNDLE),
    findJobs: () => Promise.resolve({ jobs: [], total: 0 }),
    check: () => Promise.resolve({ ...CHECK, faults: [] }),
    promote: (body: IPromoteRequest) => {
      sent.push(body);
      return Promise.resolve({ ...PROMOTION, state: 'committed' as const });
    },
    getJob: () => Promise.resolve(JOB),
    getVersion: () => Promise.resolve({ notebook: { cells: [] } }),
    listRehearsals: () => Promise.resolve([]),
    getMe: () => Promise.resolve({ user: 'analyst' }),
    getPromotion: () => Promise.resolve(PROMOTION),
    ...patch
  } as unknown as IAthenaApi;
  return { api, sent };
}

function modelOf(api: IAthenaApi, save = () => Promise.resolve(), content: () => string | null = () => null): PromotionModel {
  return new PromotionModel({
    api,
    trans: WORDS,
    target: { path: 'a.ipynb', cellIds: [] },
    timezone: 'UTC',
    defaultName: 'a',
    save,
    content,
    report: () => Promise.resolve(null)
  });
}

test('a notebook is saved before it is read and before it is deployed', async () => {
  const order: string[] = [];
  const { api } = apiOf({
    draft: () => {
      order.push('draft');
      return Promise.resolve(BUNDLE);
    }
  });
  const model = modelOf(api, () => {
    order.push('save');
    return Promise.resolve();
  });
  await model.load();
  await model.deploy();
  assert.deepEqual(order, ['save', 'draft', 'save', 'draft']);
});

test('a deployment is followed until Airflow reports it', async () => {
  const { api, sent } = apiOf({});
  const model = modelOf(api);
  await model.load();
  await model.deploy();
  assert.equal(sent.length, 1);
  assert.equal(model.state.phase, 'settled');
  assert.equal(model.state.promotion?.state, 'visible');
});

test('a notebook that is scheduled already opens with its job and deploys its next version', async () => {
  const { api, sent } = apiOf({ findJobs: () => Promise.resolve({ jobs: [JOB], total: 1 }) });
  const model = modelOf(api);
  await model.load();
  assert.equal(model.state.form.name, JOB.name);
  assert.equal(model.state.form.plan.preset, 'weekdays');
  assert.equal(model.state.form.entries.find(entry => entry.name === 'day')?.relative, 'yesterday');
  await model.deploy();
  assert.equal(sent[0].job_id, JOB.id);
});

test('a gateway that goes away after the commit does not lose the deployment', async () => {
  let asked = 0;
  const away = new Failure(503, { error: 'UnreachableError', message: 'away', faults: [], error_id: null });
  const { api } = apiOf({
    getPromotion: () => (asked++ === 0 ? Promise.reject(away) : Promise.resolve(PROMOTION))
  });
  const model = modelOf(api);
  await model.load();
  await model.deploy();
  assert.equal(model.state.promotion?.state, 'visible');
});

test('a refused deployment leaves the form open with its faults', async () => {
  const faults = [{ field: 'name', message: "Cannot use 'a': it is taken. Choose another." }];
  const refusal = new Failure(409, { error: 'ConflictError', message: 'taken', faults, error_id: null });
  const { api } = apiOf({ promote: () => Promise.reject(refusal) });
  const model = modelOf(api);
  await model.load();
  await model.deploy();
  assert.equal(model.state.phase, 'editing');
  assert.deepEqual(model.state.faults, faults);
});

test('a notebook that cannot be scheduled is refused at once', async () => {
  const refusal = new Failure(422, { error: 'InvalidError', message: 'no kernel', faults: [], error_id: null });
  const model = modelOf(apiOf({ draft: () => Promise.reject(refusal) }).api);
  await model.load();
  assert.equal(model.state.phase, 'refused');
  assert.equal(model.canDeploy, false);
});

test('another notebook at the former path of a renamed one does not find its job', () => {
  const other = { source: { ...BUNDLE.source, notebook_id: 'another' } };
  assert.equal(findJob([JOB], other), null);
  assert.equal(findJob([JOB], { source: { ...other.source, notebook_id: null } }), null);
  const without = { ...JOB, source: { ...JOB.source, notebook_id: null } };
  assert.equal(findJob([without], other)?.id, JOB.id);
});

test('of two jobs of one notebook the first keeps it', () => {
  const clone = { ...JOB, id: 'clone', name: 'A clone', created_at: '2026-11-25T06:00:00Z' };
  assert.equal(findJob([clone, JOB], BUNDLE)?.id, JOB.id);
});

test('a renamed notebook finds its job by its id, a promoted cell does not find the job of the whole', () => {
  const renamed = { ...BUNDLE, source: { ...BUNDLE.source, path: 'elsewhere.ipynb' } };
  assert.equal(findJob([JOB], renamed)?.id, JOB.id);
  assert.equal(findJob([JOB], { ...renamed, source: { ...renamed.source, cell_id: 'c1' } }), null);
  assert.equal(findJob([{ ...JOB, state: 'deleted' }], renamed), null);
});

test('what is rehearsed is saved and uploaded first, with the values of the form', async () => {
  const sent: IRehearsalRequest[] = [];
  const order: string[] = [];
  const { api } = apiOf({
    draft: () => Promise.resolve(BUNDLE),
    rehearse: body => {
      sent.push(body);
      return Promise.resolve(REHEARSAL);
    },
    getRehearsal: () => Promise.resolve(REHEARSAL)
  });
  const model = modelOf(api, () => {
    order.push('save');
    return Promise.resolve();
  });
  await model.load();
  model.edit({ entries: model.state.form.entries.map(entry => (entry.name === 'limit' ? { ...entry, text: '26' } : entry)) });
  await model.rehearsal.start();
  assert.deepEqual(order, ['save', 'save']);
  assert.equal(sent[0].bundle, BUNDLE.hash);
  assert.equal(sent[0].parameters.find(parameter => parameter.name === 'limit')?.value, 26);
  assert.equal(sent[0].timeout_s, 6 * 3600);
  assert.equal(model.state.phase, 'editing');
  model.dispose();
});

test('a file that was edited into faults is not rehearsed', async () => {
  const answers = [BUNDLE, { ...BUNDLE, hash: 'edited' }];
  let checks = 0;
  const fault = { field: 'parameters.day', message: 'gone' };
  const { api } = apiOf({
    draft: () => Promise.resolve(answers.shift() ?? BUNDLE),
    check: () => Promise.resolve({ ...CHECK, faults: checks++ === 0 ? [] : [fault] }),
    rehearse: () => assert.fail('must not be asked for')
  });
  const model = modelOf(api);
  await model.load();
  await model.rehearsal.start();
  assert.match(model.rehearsal.state.failure?.message ?? '', /now has faults/);
  assert.deepEqual(model.state.faults, [fault]);
  model.dispose();
});

test('an edit of the open file counts until it is undone or uploaded', async () => {
  let content = 'a';
  const { api } = apiOf({});
  const model = modelOf(api, undefined, () => content);
  const settle = () => new Promise(resolve => setTimeout(resolve, 300));
  await model.load();
  content = 'b';
  model.noteEdit();
  await settle();
  assert.equal(model.present.isEdited, true);
  content = 'a';
  model.noteEdit();
  await settle();
  assert.equal(model.present.isEdited, false);
  content = 'c';
  await model.deploy();
  await settle();
  assert.equal(model.present.isEdited, false);
  model.dispose();
});

test('what the catalog does not know of a written table is told as unknown', async () => {
  const table = { dataset: 'sales', table: 'daily', owner: 'ann', rows: 3 } as ICatalogTable;
  const { api } = apiOf({ getCatalog: () => Promise.resolve({ project: 'p', tables: [table] }) });
  assert.deepEqual(await modelOf(api).findTables(['sales.new', 'sales.daily']), [null, table]);
});
