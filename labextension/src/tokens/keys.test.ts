/** One key a request, as long as nobody answered it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Keys, SAME_FOR_MS } from './keys.js';

test('a request keeps its key until it was answered or is old', () => {
  const keys = new Keys();
  const key = keys.keyOf('run daily', 0);
  assert.equal(keys.keyOf('run daily', SAME_FOR_MS - 1), key);
  assert.notEqual(keys.keyOf('run weekly', 0), key);
  assert.notEqual(keys.keyOf('run daily', SAME_FOR_MS), key);
  const other = keys.keyOf('run daily', SAME_FOR_MS);
  keys.answered('run daily');
  assert.notEqual(keys.keyOf('run daily', SAME_FOR_MS), other);
});
