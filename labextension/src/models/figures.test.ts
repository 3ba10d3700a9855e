/** Bytes and durations are said in the unit that fits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatBytes, formatDuration } from './figures.js';

test('bytes take the largest unit that leaves a whole number', () => {
  assert.deepEqual(
    [0, 999, 1000, 12_300_000, 999_999, 5e15].map(bytes => formatBytes(bytes, 'en')),
    ['0 B', '999 B', '1 kB', '12.3 MB', '1 MB', '5 PB']
  );
});

test('durations have hundredths below a second and minutes above sixty', () => {
  assert.deepEqual(
    [210, 1234, 65_000, 7_620_000].map(ms => formatDuration(ms, 'en')),
    ['0.21 s', '1.2 s', '1 min 05 s', '2 h 07 min']
  );
});
