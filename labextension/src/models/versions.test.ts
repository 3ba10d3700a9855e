/** The panel's model: which version is compared with what, and a rollback followed to its end. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IAthenaApi } from '../api.js';
import { Failure } from '../tokens/failure.js';
import type { ICell, IJob, IJobVersion, IPromotion, IRollbackRequest, IVersionContent } from '../tokens/wire.js';
import { VersionCache } from './link.js';
import { VersionsModel } from './versions.js';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../tests/wire/${name}.json`, import.meta.url), 'utf8')) as unknown;
const JOB = read('job') as IJob;
const PROMOTION = read('promotion') as IPromotion;
const cell = (source: string): ICell => ({ id: 'a', cell_type: 'code', source, metadata: {} });
const versionOf = (version: number, origin: number | null = null) =>
  ({ version, origin, deployed_by: 'ann', deployed_at: '2026-11-24T06:00:00Z', message: '' }) as IJobVersion;

/** An API in memory: these tests are about the order of requests, which a server would hide. */
function modelOf(open: ICell[] | null, patch: Partial<IAthenaApi> = {}) {
  const versions = [versionOf(2), versionOf(1)];
  const sent: IRollbackRequest[] = [];
  const api = {
    getJob: () => Promise.resolve(JOB),
    listVersions: () => Promise.resolve([...versions]),
    getVersion: (_: string, version: number) =>
      Promise.resolve({
        ...JOB,
        schedule: { ...JOB.schedule, cron: `${version} 6 * * *`, timezone: 'UTC' },
        notebook: { cells: [cell(`v = ${version === 3 ? 1 : version}`)] }
      } as unknown as IVersionContent),
    rollback: (_: string, body: IRollbackRequest) => {
      sent.push(body);
      versions.unshift(versionOf(3, body.version));
      return Promise.resolve({ ...PROMOTION, version: 3, state: 'committed' as const });
    },
    getPromotion: () => Promise.resolve({ ...PROMOTION, version: 3, state: 'visible' as const }),
    ...patch
  } as unknown as IAthenaApi;
  return { model: new VersionsModel({ api, versions: new VersionCache(api), jobId: JOB.id, cells: () => open }), sent };
}

test('the current version is compared with the open notebook', async () => {
  const { model } = modelOf([cell('v = 9')]);
  await model.load();
  const { chosen, cells, fields, isNotebookOpen } = model.state;
  assert.deepEqual([chosen, cells.length, fields.length, isNotebookOpen], [2, 1, 0, true]);
  assert.deepEqual(
    cells[0].lines.map(line => line.kind),
    ['removed', 'added']
  );
});

test('an earlier version shows its settings, and stands against the current one where no notebook is open', async () => {
  const { model } = modelOf(null);
  await model.load();
  assert.equal(model.state.cells.length, 0);
  await model.choose(1);
  assert.equal(model.state.isNotebookOpen, false);
  assert.equal(model.state.cells.length, 1);
  assert.deepEqual(
    model.state.fields.map(field => field.field),
    ['schedule.cron']
  );
});

test('a rollback names the version that it was decided on, and is followed until it is visible', async () => {
  const { model, sent } = modelOf([cell('v = 2')]);
  await model.load();
  await model.rollback(1);
  assert.deepEqual(sent, [{ version: 1, expected_version: 2 }]);
  assert.equal(model.state.promotion?.state, 'visible');
  assert.deepEqual([model.state.chosen, model.state.versions[0].origin, model.state.pending], [3, 1, null]);
  assert.equal(model.state.cells.length, 1);
});

test('a refused rollback is shown and leaves the list as it was', async () => {
  const refusal = new Failure(409, { error: 'ConflictError', message: 'moved on', faults: [], error_id: null });
  const { model } = modelOf([], { rollback: () => Promise.reject(refusal) });
  await model.load();
  await model.rollback(1);
  assert.equal(model.state.failure?.message, 'moved on');
  assert.equal(model.state.pending, null);
  assert.equal(model.state.versions.length, 2);
});
