/** What the chip says, and whose job a notebook is when it was renamed or copied. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mock, test } from 'node:test';

import type { IAthenaApi } from '../api.js';
import { Failure } from '../tokens/failure.js';
import type { ICell, IJob, IVersionContent } from '../tokens/wire.js';
import { ChipModel, chipText } from './chip.js';
import { isCopy, linkedJob, VersionCache } from './link.js';
import { WORDS } from './words.test.js';

const JOB = JSON.parse(readFileSync(new URL('../../../tests/wire/job.json', import.meta.url), 'utf8')) as IJob;
const { path: PATH, notebook_id: ID } = JOB.source;
const OPEN = { path: PATH, notebookId: ID };
const cell = (id: string, source: string): ICell => ({ id, cell_type: 'code', source, metadata: {} });
const nobody = () => Promise.resolve(null);

/** An API in memory: these tests count what is asked, which a server would hide. */
function chipOf(jobs: () => IJob[], cells: () => ICell[], notebook = OPEN) {
  const asked: string[] = [];
  const api = {
    findJobs: () => Promise.resolve({ jobs: jobs(), total: jobs().length }),
    getVersion: (id: string, version: number) => {
      asked.push(`${id} v${version}`);
      return Promise.resolve({ notebook: { cells: [cell('a', 'a = 1'), cell('b', 'b = 2')] } } as IVersionContent);
    }
  } as unknown as IAthenaApi;
  const model = new ChipModel({ api, versions: new VersionCache(api), read: nobody, notebook: () => notebook, cells });
  return { model, asked };
}

test('a notebook without a job is not scheduled, and no version is asked for', async () => {
  const { model, asked } = chipOf(() => [], () => []);
  assert.equal(chipText(model.state, WORDS), '');
  await model.refresh();
  assert.equal(chipText(model.state, WORDS), 'not scheduled');
  assert.deepEqual(asked, []);
});

test('the chip follows edits, and the version is fetched once', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let cells = [cell('a', 'a = 1'), cell('b', 'b = 2')];
  const { model, asked } = chipOf(() => [JOB], () => cells);
  await model.refresh();
  assert.equal(chipText(model.state, WORDS), 'v2, up to date');
  cells = [cell('a', 'a = 9'), cell('b', 'b = 2'), cell('c', 'print(a, b)')];
  model.noteEdit();
  model.noteEdit();
  mock.timers.tick(1000);
  assert.equal(chipText(model.state, WORDS), 'v2, 2 cells differ');
  cells = [cell('a', 'a = 9'), cell('b', 'b = 2')];
  model.noteEdit();
  mock.timers.tick(1000);
  assert.equal(chipText(model.state, WORDS), 'v2, 1 cell differs');
  await model.refresh();
  assert.deepEqual(asked, ['daily_peak v2']);
  mock.timers.reset();
  model.dispose();
});

test('a gateway that is away is said, and the next answer is taken', async () => {
  let isAway = true;
  const away = new Failure(503, { error: 'UnreachableError', message: 'away', faults: [], error_id: null });
  const jobs = () => {
    if (isAway) {
      throw away;
    }
    return [JOB];
  };
  const { model } = chipOf(jobs, () => []);
  await model.refresh();
  assert.equal(chipText(model.state, WORDS), 'schedule unknown');
  isAway = false;
  await model.refresh();
  assert.equal(chipText(model.state, WORDS), 'v2, 2 cells differ');
});

test('a renamed notebook keeps its job, a copy does not take it', async () => {
  const elsewhere = { path: 'elsewhere.ipynb', notebookId: ID };
  const stillThere = (path: string) => Promise.resolve(path === PATH ? ID : null);
  assert.equal((await linkedJob([JOB], elsewhere, nobody))?.id, JOB.id);
  assert.equal(await linkedJob([JOB], elsewhere, stillThere), null);
  assert.equal((await linkedJob([JOB], OPEN, stillThere))?.id, JOB.id);
});

test('the id that another window gave the file on the disk counts', async () => {
  const other = { path: PATH, notebookId: 'mine' };
  assert.equal((await linkedJob([JOB], other, () => Promise.resolve(ID)))?.id, JOB.id);
  assert.equal(await linkedJob([JOB], other, () => Promise.resolve('mine')), null);
  assert.equal(await linkedJob([JOB], { path: PATH, notebookId: null }, nobody), null);
});

test('another notebook at the former path does not make a renamed one a copy', async () => {
  const elsewhere = { path: 'elsewhere.ipynb', notebookId: ID };
  assert.equal(await isCopy([JOB], elsewhere, () => Promise.resolve('another')), false);
  assert.equal(await isCopy([{ ...JOB, state: 'deleted' }], elsewhere, () => Promise.resolve(ID)), false);
});

test('a version whose fetch failed is asked for again', async () => {
  let asked = 0;
  const api = {
    getVersion: () => (asked++ === 0 ? Promise.reject(new Error('away')) : Promise.resolve({ version: 1 }))
  } as unknown as IAthenaApi;
  const cache = new VersionCache(api);
  await assert.rejects(cache.get('a', 1));
  assert.equal((await cache.get('a', 1)).version, 1);
  await cache.get('a', 1);
  assert.equal(asked, 2);
});
