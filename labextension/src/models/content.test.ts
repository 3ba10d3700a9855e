/** What is asked of the labserver for a promoted cell or file, and how the user's choice of cells is kept. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import type { IBundle, ISliceCell } from '../tokens/wire.js';
import { chosenOf, defaultContent, draftOf, sliceOf, toggleCell } from './content.js';

const WIRE = JSON.parse(readFileSync(new URL('../../../tests/wire/bundle.json', import.meta.url), 'utf8')) as IBundle;
const cell = (cell_id: string, index: number, patch: Partial<ISliceCell>): ISliceCell => ({
  ...{ index, cell_id, first_line: cell_id, is_target: false, is_needed: false, is_kept: false, why: [] },
  ...patch
});
const BUNDLE: IBundle = {
  ...WIRE,
  slice: [
    cell('a', 0, { is_needed: true, is_kept: true }),
    cell('b', 1, {}),
    cell('t', 2, { is_target: true, is_needed: true, is_kept: true })
  ]
};

test('files and patterns are told apart, and empty lines are none', () => {
  const content = { ...defaultContent(), files: 'data/a.csv\n\n  data/*.sql \n' };
  const draft = draftOf({ path: 'x.ipynb', cellIds: ['t'] }, content, null);
  assert.deepEqual([draft.files, draft.globs], [['data/a.csv'], ['data/*.sql']]);
  assert.deepEqual([draft.cell_id, draft.cell_ids, draft.destination], ['t', [], null]);
});

test('several cells are a selection, one is a cell', () => {
  const draft = draftOf({ path: 'x.ipynb', cellIds: ['a', 't'] }, defaultContent(), null);
  assert.deepEqual([draft.cell_id, draft.cell_ids], [null, ['a', 't']]);
});

test('a ticked cell is kept, and a choice that is the slice again is no choice', () => {
  const none = defaultContent();
  assert.deepEqual(toggleCell(BUNDLE, none, 'b', true), ['a', 'b']);
  assert.deepEqual(toggleCell(BUNDLE, none, 'a', false), []);
  assert.equal(toggleCell(BUNDLE, { ...none, keptCells: [] }, 'a', true), null);
  const shown = sliceOf(BUNDLE, { ...none, keptCells: ['b'] });
  assert.deepEqual(shown.map(one => one.is_kept), [false, true, true]);
});

test('the choice of a deployed version is read back from its cells', () => {
  assert.deepEqual(chosenOf(BUNDLE, new Set(['a', 'b', 't'])), ['a', 'b']);
  assert.equal(chosenOf(BUNDLE, new Set(['a', 't'])), null);
});

test('a locked job keeps its environment until another one is chosen', () => {
  const target = { path: 'x.ipynb', cellIds: [] };
  const kept = draftOf(target, { ...defaultContent(), environment: null, lockedJob: 'daily' }, null);
  assert.deepEqual([kept.environment, kept.job_id], [undefined, 'daily']);
  const chosen = draftOf(target, { ...defaultContent(), lockedJob: 'daily' }, null);
  assert.deepEqual([chosen.environment, chosen.job_id], ['platform', undefined]);
});
