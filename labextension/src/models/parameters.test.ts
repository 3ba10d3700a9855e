/** Typed text becomes JSON of the parameter's type, or a fault that says what to type. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { IParameter, Json, ParameterType } from '../tokens/wire.js';
import { entryOf, faultsOfParameter, overridesOf, parametersOf, valueOf } from './parameters.js';
import { WORDS } from './words.test.js';

const READ: [ParameterType, string, Json | undefined][] = [
  ['int', ' 42 ', 42],
  ['int', '4.2', undefined],
  ['int', '9007199254740993', undefined],
  ['int', '', null],
  ['float', '1e-3', 0.001],
  ['float', 'Infinity', undefined],
  ['bool', 'TRUE', true],
  ['bool', 'yes', undefined],
  ['str', '', ''],
  ['json', '{"a": [1]}', { a: [1] }],
  ['json', '{a}', undefined],
  ['date', '2026-11-24', '2026-11-24'],
  ['date', 'soon', undefined]
];

for (const [type, text, value] of READ) {
  test(`"${text}" as ${type} is ${JSON.stringify(value)}`, () => {
    assert.deepEqual(valueOf(text, type), value);
  });
}

function parameter(patch: Partial<IParameter>): IParameter {
  return { name: 'n', type: 'int', default: 1, value: null, relative: null, description: '', ...patch };
}

test('a value that was not changed stays the default of the notebook', () => {
  assert.equal(parametersOf([entryOf(parameter({}))], WORDS).values[0].value, null);
});

test('all faults of the table are reported together, each with its field', () => {
  const entries = [parameter({ name: 'a' }), parameter({ name: 'b' })].map(item => ({ ...entryOf(item), text: 'x' }));
  const { faults } = parametersOf(entries, WORDS);
  assert.deepEqual(
    faults.map(fault => fault.field),
    ['parameters.a', 'parameters.b']
  );
  assert.match(faults[0].message, /^Cannot pass 'x' as 'a': .*Use a whole number\.$/);
});

test('a scheduled job shows its own values, but not those of a parameter that changed its type', () => {
  const saved = parameter({ value: 7 });
  assert.equal(entryOf(parameter({}), saved).text, '7');
  assert.equal(entryOf(parameter({ type: 'str', default: 'd' }), saved).text, 'd');
});

test('a run by hand sends only what its form changed', () => {
  const own = [
    parameter({ name: 'a' }),
    parameter({ name: 'b', value: 5 }),
    parameter({ name: 'day', type: 'date', default: '2026-01-01', relative: 'yesterday' }),
    parameter({ name: 'from', type: 'date', default: '2026-01-01', relative: 'today' })
  ];
  const entries = own.map(item => entryOf(item));
  entries[1] = { ...entries[1], text: '6' };
  entries[3] = { ...entries[3], relative: null };
  assert.deepEqual(overridesOf(entries, own, WORDS), { values: { b: 6, from: '2026-01-01' }, faults: [] });
});

test('faults find their parameter in either way of writing its path', () => {
  const faults = ['parameters.day', 'parameters[day].value', 'parameters.days'].map(field => ({ field, message: '' }));
  assert.equal(faultsOfParameter(faults, 'day').length, 2);
});

test('a secret is referred to by its name, and its value is in no form', () => {
  const own = parameter({ name: 'key', type: 'str', default: '' });
  const entry = entryOf(own, { ...own, value: { secret: 'API_KEY' } });
  assert.deepEqual([entry.secret, entry.text], ['API_KEY', '']);
  assert.deepEqual(parametersOf([entry], WORDS).values[0].value, { secret: 'API_KEY' });
  assert.deepEqual(overridesOf([entry], [{ ...own, value: { secret: 'API_KEY' } }], WORDS).values, {});
});
