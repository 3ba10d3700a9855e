/** What is typed as a duration or a size, and how it is written back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readBytes, readDuration, writeBytes, writeDuration } from './quantities.js';

test('durations are read in seconds and written in the largest whole unit', () => {
  assert.equal(readDuration('90'), 90);
  assert.equal(readDuration(' 1.5 H '), 5400);
  assert.equal(writeDuration(21600), '6 h');
  assert.equal(writeDuration(90), '90 s');
  assert.equal(writeDuration(0), '0 s');
});

test('sizes are read in powers of a thousand and written with at most two decimals', () => {
  assert.equal(readBytes('1.5 TB'), 1.5e12);
  assert.equal(readBytes('10gb'), 1e10);
  assert.equal(writeBytes(1.5e12), '1.5 TB');
  assert.equal(writeBytes(1_234), '1234 B');
});

test('what is no quantity is not guessed', () => {
  for (const text of ['', 'soon', '-1 h', '3 weeks', '1,5 h', '1e5', '9999999999 PB']) {
    assert.equal(readDuration(text), undefined, text);
  }
  assert.equal(readBytes('9999999999 PB'), undefined);
});
