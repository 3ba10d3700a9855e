/** The same cases as `athena_lab/jobs/diff.py`, and what only the front end shows: lines. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { ICell, IVersionContent } from '../tokens/wire.js';
import { diffCells, diffLines, diffSettings, similarity } from './difference.js';

interface ICase {
  name: string;
  before: ICell[];
  after: ICell[];
  differences: { kind: string; cell_id: string; before: number | null; after: number | null; is_moved: boolean }[];
}

const CASES = JSON.parse(
  readFileSync(new URL('../../../tests/wire/diff_cases.json', import.meta.url), 'utf8')
) as ICase[];

for (const one of CASES) {
  test(`cells differ as the case says: ${one.name}`, () => {
    const found = diffCells(one.before, one.after).map(({ kind, cellId, before, after, isMoved }) => ({
      kind,
      cell_id: cellId,
      before,
      after,
      is_moved: isMoved
    }));
    assert.deepEqual(found, one.differences);
  });
}

test('a changed line is removed and added, the others stay', () => {
  const lines = diffLines('a\nb\nc', 'a\nB\nc').map(line => [line.kind, line.text]);
  assert.deepEqual(lines, [
    ['same', 'a'],
    ['removed', 'b'],
    ['added', 'B'],
    ['same', 'c']
  ]);
});

test('lines put together again give both texts', () => {
  const [before, after] = ['x\na\nb\nc\ny', 'x\nb\nnew\nc\na\ny'];
  const lines = diffLines(before, after);
  const of = (kind: string) => lines.filter(line => line.kind === 'same' || line.kind === kind).map(line => line.text);
  assert.equal(of('removed').join('\n'), before);
  assert.equal(of('added').join('\n'), after);
  assert.deepEqual(diffLines('', ''), []);
});

test('texts too large for a table are shown whole, one after the other', () => {
  const many = (mark: string) => Array.from({ length: 2500 }, (_, at) => `${mark}${at}`).join('\n');
  const lines = diffLines(many('a'), many('b'));
  assert.equal(lines.length, 5000);
  assert.equal(lines[0].kind, 'removed');
  assert.equal(lines[4999].kind, 'added');
});

test('similarity is the share of common words', () => {
  assert.equal(similarity('a b c d', 'a b c x'), 0.75);
  assert.equal(similarity('', ''), 1);
});

test('a thousand cells are compared within the time of a frame or two', () => {
  const cells = Array.from({ length: 1000 }, (_, at) => ({ id: `c${at}`, cell_type: 'code', source: `x = ${at}`, metadata: {} }));
  const edited = cells.map((cell, at) => (at === 500 ? { ...cell, source: 'y' } : cell));
  diffCells(cells, edited);
  const started = performance.now();
  assert.equal(diffCells(cells, edited).length, 1);
  assert.ok(performance.now() - started < 100);
});

test('settings that differ are told by field', () => {
  const parameter = { name: 'day', type: 'date', default: null, value: null, relative: 'yesterday', description: '' };
  const content = (cron: string, parameters: object[]) =>
    ({ name: 'a', owner: 'ann', schedule: { cron, timezone: 'UTC' }, retries: 0, timeout_s: 1, files: [], parameters }) as unknown as IVersionContent;
  const found = diffSettings(content('0 6 * * *', [parameter]), content('0 7 * * *', [{ ...parameter, relative: 'today' }]));
  assert.deepEqual(found, [
    { field: 'schedule.cron', before: '0 6 * * *', after: '0 7 * * *' },
    { field: 'parameters.day.relative', before: 'yesterday', after: 'today' }
  ]);
});
