/** Tells two contents apart as `athena_lab/jobs/diff.py` does (both read tests/wire/diff_cases.json). */
import type { ICell, IVersionContent, Json } from '../tokens/wire.js';

const SIMILAR = 0.5;
const MOST_COMPARED = 40_000;
const MOST_LINES = 4_000_000;

export type DifferenceKind = 'added' | 'removed' | 'changed' | 'moved';

export interface ICellDifference {
  kind: DifferenceKind;
  cellId: string;
  cellType: string;
  /** Its places in the two notebooks, from 0; null where it is absent. */
  before: number | null;
  after: number | null;
  isMoved: boolean;
}

export interface ILine {
  kind: 'same' | 'removed' | 'added';
  text: string;
}

export interface IFieldDifference {
  field: string;
  before: Json;
  after: Json;
}

type Pair = readonly [number, number];

/** Give a cell's source as one text. */
export function textOf(cell: ICell): string {
  return typeof cell.source === 'string' ? cell.source : cell.source.join('');
}

/** List the cells that differ, in the order of the later notebook, each removed one where it stood. */
export function diffCells(before: readonly ICell[], after: readonly ICell[]): ICellDifference[] {
  const pairs = matchCells(before, after);
  const moved = movedOf(pairs);
  const found: ICellDifference[] = [];
  for (const pair of pairs) {
    const [old, now] = [before[pair[0]], after[pair[1]]];
    const isMoved = moved.has(pair);
    const isChanged = !isSame(old, now);
    if (isChanged || isMoved) {
      const kind = isChanged ? 'changed' : 'moved';
      found.push({ ...nameOf(now), kind, before: pair[0], after: pair[1], isMoved });
    }
  }
  const olds = new Set(pairs.map(pair => pair[0]));
  const news = new Set(pairs.map(pair => pair[1]));
  after.forEach((cell, at) => {
    if (!news.has(at)) {
      found.push({ ...nameOf(cell), kind: 'added', before: null, after: at, isMoved: false });
    }
  });
  before.forEach((cell, at) => {
    if (!olds.has(at)) {
      found.push({ ...nameOf(cell), kind: 'removed', before: at, after: null, isMoved: false });
    }
  });
  return found
    .map(one => ({ one, place: placeOf(one, pairs) }))
    .sort((a, b) => a.place - b.place || (a.one.before ?? 0) - (b.one.before ?? 0))
    .map(({ one }) => one);
}

/** Pair the places of cells that are the same cell: by id, then by equal text, then by similarity. */
export function matchCells(before: readonly ICell[], after: readonly ICell[]): Pair[] {
  const pairs: Pair[] = [];
  let old = before.map((_, at) => at);
  let left = after.map((_, at) => at);
  for (const keyOf of [(cell: ICell) => cell.id, (cell: ICell) => `${cell.cell_type}\n${textOf(cell)}`]) {
    const places = new Map<string, number[]>();
    for (const at of left) {
      const key = keyOf(after[at]);
      if (key !== undefined) {
        places.set(key, [...(places.get(key) ?? []), at]);
      }
    }
    const found = old.flatMap((at): Pair[] => {
      const other = places.get(keyOf(before[at]) ?? '')?.shift();
      return other === undefined ? [] : [[at, other]];
    });
    pairs.push(...found);
    const [olds, news] = [new Set(found.map(pair => pair[0])), new Set(found.map(pair => pair[1]))];
    old = old.filter(at => !olds.has(at));
    left = left.filter(at => !news.has(at));
  }
  if (old.length * left.length <= MOST_COMPARED) {
    pairs.push(...similarPairs(before, after, old, left));
  }
  return pairs.sort((a, b) => a[0] - b[0]);
}

function similarPairs(
  before: readonly ICell[],
  after: readonly ICell[],
  old: readonly number[],
  others: readonly number[]
): Pair[] {
  const left = [...others];
  return old.flatMap((at): Pair[] => {
    const cell = before[at];
    const index = left.findIndex(
      other => after[other].cell_type === cell.cell_type && similarity(textOf(cell), textOf(after[other])) >= SIMILAR
    );
    return index < 0 ? [] : [[at, left.splice(index, 1)[0]]];
  });
}

/** The share of words that two texts have in common, 0 to 1 (Dice's coefficient). */
export function similarity(one: string, other: string): number {
  const words = (text: string) => text.match(/[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]/gu) ?? [];
  const [left, right] = [words(one), words(other)];
  const counts = new Map<string, number>();
  for (const word of left) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  let common = 0;
  for (const word of right) {
    const count = counts.get(word) ?? 0;
    if (count > 0) {
      counts.set(word, count - 1);
      common += 1;
    }
  }
  const total = left.length + right.length;
  return total === 0 ? 1 : (2 * common) / total;
}

function isSame(one: ICell, other: ICell): boolean {
  const tags = (cell: ICell) => JSON.stringify(cell.metadata.tags ?? []);
  return one.cell_type === other.cell_type && textOf(one) === textOf(other) && tags(one) === tags(other);
}

function nameOf(cell: ICell): { cellId: string; cellType: string } {
  return { cellId: cell.id ?? '', cellType: cell.cell_type };
}

/** Where a difference is shown: a removed cell behind the cell that was before it. */
function placeOf(one: ICellDifference, pairs: readonly Pair[]): number {
  if (one.after !== null) {
    return one.after;
  }
  const earlier = pairs.filter(pair => one.before !== null && pair[0] < one.before).map(pair => pair[1]);
  return earlier.reduce((most, at) => Math.max(most, at), -1) + 0.5;
}

/** The pairs outside a longest increasing subsequence of the later places. */
function movedOf(pairs: readonly Pair[]): Set<Pair> {
  const tails: number[] = [];
  const previous: number[] = [];
  pairs.forEach((pair, index) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      [low, high] = pairs[tails[middle]][1] < pair[1] ? [middle + 1, high] : [low, middle];
    }
    previous.push(low > 0 ? tails[low - 1] : -1);
    tails[low] = index;
  });
  const moved = new Set(pairs);
  for (let at = tails.length > 0 ? tails[tails.length - 1] : -1; at >= 0; at = previous[at]) {
    moved.delete(pairs[at]);
  }
  return moved;
}

/** Every line of two texts, each as same, removed or added (longest common subsequence). */
export function diffLines(before: string, after: string): ILine[] {
  const [old, now] = [before === '' ? [] : before.split('\n'), after === '' ? [] : after.split('\n')];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) {
    head += 1;
  }
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) {
    tail += 1;
  }
  const same = (lines: string[]): ILine[] => lines.map(text => ({ kind: 'same', text }));
  return [
    ...same(old.slice(0, head)),
    ...middleOf(old.slice(head, old.length - tail), now.slice(head, now.length - tail)),
    ...same(old.slice(old.length - tail))
  ];
}

function middleOf(old: readonly string[], now: readonly string[]): ILine[] {
  const of = (kind: ILine['kind'], lines: readonly string[]): ILine[] => lines.map(text => ({ kind, text }));
  if (old.length * now.length > MOST_LINES) {
    // Nobody reads a difference of this size line by line, and the table would not fit.
    return [...of('removed', old), ...of('added', now)];
  }
  const common = commonLengths(old, now);
  const width = now.length + 1;
  const lines: ILine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      lines.push({ kind: 'same', text: old[i] });
      [i, j] = [i + 1, j + 1];
    } else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) {
      lines.push({ kind: 'removed', text: old[i++] });
    } else {
      lines.push({ kind: 'added', text: now[j++] });
    }
  }
  return [...lines, ...of('removed', old.slice(i)), ...of('added', now.slice(j))];
}

/** How long the longest common subsequence of each two ends is, row by row. */
function commonLengths(old: readonly string[], now: readonly string[]): Uint32Array {
  const width = now.length + 1;
  const table = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const [below, right] = [table[(i + 1) * width + j], table[i * width + j + 1]];
      table[i * width + j] = old[i] === now[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(below, right);
    }
  }
  return table;
}

/** The fields of the spec that differ, parameters by their names. */
export function diffSettings(before: IVersionContent, after: IVersionContent): IFieldDifference[] {
  const [old, now] = [flat(before), flat(after)];
  return [...new Set([...old.keys(), ...now.keys()])].flatMap(field => {
    const [was, is] = [old.get(field) ?? null, now.get(field) ?? null];
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [{ field, before: was, after: is }];
  });
}

function flat(content: IVersionContent): Map<string, Json> {
  const { name, owner, schedule, after, tables, retries, timeout_s, guards, alerts, files, parameters } = content;
  const terms = { name, owner, schedule, after, tables, retries, timeout_s, guards, alerts, files };
  const fields = flatFields('', terms as unknown as Json);
  for (const parameter of parameters) {
    for (const key of ['type', 'default', 'value', 'relative', 'description'] as const) {
      fields.push([`parameters.${parameter.name}.${key}`, parameter[key]]);
    }
  }
  return new Map(fields);
}

/** A value by the paths of its fields ("schedule.cron"), a list whole. */
function flatFields(path: string, value: Json): [string, Json][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return [[path, value]];
  }
  return Object.entries(value).flatMap(([key, inner]) => flatFields(path ? `${path}.${key}` : key, inner));
}
