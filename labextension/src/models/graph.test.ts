/** The picture of dependencies: everything named once, before on the left, after on the right, nothing over another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IUpstream } from '../tokens/wire.js';
import { BOX, graphOfForm, type ILayout, layOut } from './graph.js';
import { WORDS } from './words.test.js';

const upstream = (table: string, jobId: string | null, isAwaited = false): IUpstream => ({
  ...{ table, job_id: jobId, job_name: jobId, owner: jobId && 'ann', schedule: jobId ? '0 6 * * * UTC' : '' },
  ...{ next_run_at: null, updated_at: null, is_awaited: isAwaited }
});

test('a job that writes two of the tables is one box with two lines, a table without a job is a box of its own', () => {
  const graph = graphOfForm('B', [upstream('d.a', 'A', true), upstream('d.b', 'A'), upstream('d.c', null)], {
    reads: ['d.a', 'd.b', 'd.c'],
    writes: ['d.out']
  }, WORDS);
  assert.deepEqual(
    graph.nodes.map(node => [node.label, node.column]),
    [['B', 0], ['A', -1], ['d.c', -1], ['d.out', 1]]
  );
  assert.deepEqual(graph.edges.map(edge => [edge.label, edge.isAwaited]), [['d.a', true], ['d.b', false], ['', false], ['', false]]);
});

test('no two boxes overlap and every line begins and ends at a box', () => {
  const many = Array.from({ length: 7 }, (_, index) => upstream(`d.t${index}`, `job${index}`));
  const graph = graphOfForm('B', many, { reads: [], writes: ['d.x', 'd.y'] }, WORDS);
  for (const direction of ['right', 'down'] as const) {
    assertApart(layOut(graph, direction));
  }
});

function assertApart(layout: ILayout): void {
  for (const one of layout.nodes) {
    for (const other of layout.nodes) {
      const isApart = Math.abs(one.x - other.x) >= BOX.width || Math.abs(one.y - other.y) >= BOX.height;
      assert.ok(one === other || isApart);
    }
    assert.ok(one.x >= 0 && one.x + BOX.width <= layout.width && one.y >= 0 && one.y + BOX.height <= layout.height);
  }
  assert.equal(layout.edges.length, 9);
}
