/** Moments in a zone keep their offset, and daylight saving is marked where it begins and ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { instantOf, knownZones, momentsIn, offsetOf, relativeTo, wallOf } from './times.js';

test('the run after the clocks went back is marked, and no other', () => {
  const runs = ['2026-10-23T05:00:00Z', '2026-10-24T05:00:00Z', '2026-10-25T06:00:00Z', '2026-10-26T06:00:00Z'];
  const moments = momentsIn('Europe/Berlin', runs, 'en-GB');
  assert.deepEqual(
    moments.map(moment => moment.offset),
    ['UTC+02:00', 'UTC+02:00', 'UTC+01:00', 'UTC+01:00']
  );
  assert.deepEqual(
    moments.map(moment => moment.isShifted),
    [false, false, true, false]
  );
  assert.ok(moments.every(moment => moment.text.includes('07:00')));
});

test('a zone that is still being typed is shown as UTC', () => {
  assert.equal(offsetOf(new Date('2026-11-24T00:00:00Z'), 'Europe/Berl'), 'UTC+00:00');
});

test('half-hour zones keep their half hour', () => {
  assert.equal(offsetOf(new Date('2026-11-24T00:00:00Z'), 'Asia/Kolkata'), 'UTC+05:30');
});

test('UTC is among the zones on offer', () => {
  assert.ok(knownZones().includes('UTC'));
});

test('a moment is said relative to now', () => {
  const now = new Date('2026-11-24T00:00:00Z');
  assert.equal(relativeTo(now, '2026-11-24T03:00:00Z', 'en'), 'in 3 hours');
  assert.equal(relativeTo(now, '2026-11-23T23:59:50Z', 'en'), '10 seconds ago');
});

test('a wall clock time is an instant of its zone, in gaps and overlaps too', () => {
  assert.equal(instantOf('Europe/Berlin', '2026-07-01T07:00'), '2026-07-01T05:00:00Z');
  assert.equal(instantOf('Europe/Berlin', '2026-03-29T02:30'), '2026-03-29T01:30:00Z');
  assert.equal(instantOf('Europe/Berlin', '2026-10-25T02:30'), '2026-10-25T00:30:00Z');
  assert.equal(instantOf('Europe/Berlin', 'tomorrow'), null);
  assert.equal(wallOf('America/New_York', '2026-11-24T12:00:00Z'), '2026-11-24T07:00');
});
