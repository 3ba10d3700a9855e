/** What starts something is sent again under one key where nothing answers, and only there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ServerConnection } from '@jupyterlab/services';

import { start } from './request.js';
import { KEY_HEADER, Keys } from './tokens/keys.js';

/** A server that answers in turn with statuses and errors' names; 0 is one that is not there. */
function serverOf(answers: [number, string][]) {
  const keys: (string | null)[] = [];
  const fetch = (request: RequestInfo | URL) => {
    keys.push((request as Request).headers.get(KEY_HEADER));
    const [status, error] = answers[Math.min(keys.length, answers.length) - 1];
    const body = JSON.stringify({ error, message: error, faults: [], error_id: null });
    return status === 0 ? Promise.reject(new TypeError('refused')) : Promise.resolve(new Response(body, { status }));
  };
  return { keys, settings: ServerConnection.makeSettings({ fetch, baseUrl: 'http://127.0.0.1:1/' }) };
}

test('silence and a first try under way are asked again with the same key', async () => {
  const { keys, settings } = serverOf([
    [0, ''],
    [409, 'InProgressError'],
    [200, 'none']
  ]);
  await start(settings, new Keys(), 'api/jobs/daily/runs', {});
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.ok(keys[0]);
});

test('a refusal is told at once, and the next press is another request', async () => {
  const { keys, settings } = serverOf([[409, 'ConflictError']]);
  const known = new Keys();
  await assert.rejects(start(settings, known, 'api/rehearsals', {}), { name: 'ConflictError' });
  await assert.rejects(start(settings, known, 'api/rehearsals', {}), { name: 'ConflictError' });
  assert.equal(new Set(keys).size, 2);
});

test('a service that is away is told at once, and the next press is the same request', async () => {
  const { keys, settings } = serverOf([[503, 'UnreachableError']]);
  const known = new Keys();
  await assert.rejects(start(settings, known, 'api/rehearsals', {}), { name: 'UnreachableError' });
  await assert.rejects(start(settings, known, 'api/rehearsals', {}), { name: 'UnreachableError' });
  assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
});
