/** The words of tests: JupyterLab's translation bundle without a dictionary (the real one imports the browser). */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IWords } from '../tokens/names.js';

const fill = (message: string, values: (string | number)[]) =>
  message.replace(/%(\d)/g, (_, index: string) => String(values[Number(index) - 1]));

export const WORDS: IWords = {
  __: (message, ...values) => fill(message, values),
  _n: (singular, plural, count, ...values) => fill(count === 1 ? singular : plural, [count, ...values])
};

test('a message has its values in the order that it names them', () => {
  assert.equal(WORDS.__('%2 of %1', 'a', 'b'), 'b of a');
});
