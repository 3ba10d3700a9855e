/** A query's result is checked, written and moved through as the grid needs it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { cellText, footerOf, isNumeric, moveCursor, readResult } from './result.js';
import { WORDS } from './words.test.js';

// Python reads the same file: tests/labserver/test_wire.py.
const wire = new URL('../../../tests/wire/result.json', import.meta.url);
const payload: unknown = JSON.parse(readFileSync(wire, 'utf8'));

test('the payload that Python writes is one that the grid shows', () => {
  const result = readResult(payload);
  assert.ok(result);
  assert.equal(footerOf(result, WORDS, 'en'), '1,234 rows · first 3 shown · 12.3 MB processed · 0.21 s');
});

test('a statement without columns is said to be done, with what it cost', () => {
  const result = readResult({ ...(payload as object), columns: [], rows: [], total_rows: 0, cost: 0.00008, currency: 'USD' });
  assert.ok(result);
  assert.equal(footerOf(result, WORDS, 'en'), 'Done · 12.3 MB processed · $0.00008 · 0.21 s');
});

test('a payload of another version is refused', () => {
  assert.equal(readResult({ ...(payload as object), version: 2 }), null);
  assert.equal(readResult(null), null);
});

test('numbers stand at the right, precision given or not', () => {
  assert.deepEqual(['INT64', 'NUMERIC(10, 2)', 'STRING', 'DATE'].map(isNumeric), [true, true, false, false]);
});

test('NULL, structures and text are written apart', () => {
  assert.deepEqual([null, { a: 1 }, 'NULL', false, 0].map(cellText), ['NULL', '{"a":1}', 'NULL', 'false', '0']);
});

test('the cursor follows the keys of the grid pattern and stays inside', () => {
  const size = { columns: 3, rows: 100, page: 10 };
  const at = { x: 1, y: 95 };
  assert.deepEqual(moveCursor(at, 'PageDown', false, size), { x: 1, y: 99 });
  assert.deepEqual(moveCursor(at, 'Home', false, size), { x: 0, y: 95 });
  assert.deepEqual(moveCursor(at, 'Home', true, size), { x: 0, y: 0 });
  assert.deepEqual(moveCursor(at, 'End', true, size), { x: 2, y: 99 });
  assert.deepEqual(moveCursor({ x: 0, y: 0 }, 'ArrowLeft', false, size), { x: 0, y: 0 });
  assert.equal(moveCursor(at, 'a', false, size), null);
});
