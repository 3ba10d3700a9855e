/** One cell that differs: where it stands, what became of it, its lines. */
import React from 'react';

import type { ILine } from '../../models/difference.js';
import type { IShownCell } from '../../models/versions.js';
import type { IWords } from '../../tokens/names.js';

const CONTEXT = 3;
const SIGN = { same: ' ', removed: '−', added: '+' } as const;

export interface ICellDifferenceProps {
  cell: IShownCell;
  trans: IWords;
}

/** Show one cell's difference. */
export function CellDifference({ cell, trans }: ICellDifferenceProps): React.JSX.Element {
  const place = (cell.after ?? cell.before ?? 0) + 1;
  const title = trans.__('Cell %1', place);
  return (
    <li className={`jp-Athena-cell jp-Athena-cell-${cell.kind}`} aria-label={`${title}: ${kindLabel(cell, trans)}`}>
      <header>
        {title} <span className="jp-Athena-badge">{kindLabel(cell, trans)}</span>
        {cell.isMoved && cell.before !== null && (
          <span className="jp-Athena-hint">{trans.__('was cell %1', cell.before + 1)}</span>
        )}
        {cell.tags && (
          <span className="jp-Athena-hint">
            {trans.__('tags: %1 → %2', cell.tags.before.join(', ') || '–', cell.tags.after.join(', ') || '–')}
          </span>
        )}
      </header>
      {cell.kind !== 'moved' && (
        <pre>
          {folded(cell.lines).map((line, index) =>
            line === null ? (
              <div key={index} className="jp-Athena-line jp-Athena-line-folded" aria-hidden="true">
                ⋯
              </div>
            ) : (
              <div key={index} className={`jp-Athena-line jp-Athena-line-${line.kind}`}>
                <span className="jp-Athena-sign">{SIGN[line.kind]}</span>
                {line.text}
              </div>
            )
          )}
        </pre>
      )}
    </li>
  );
}

/** Leave out lines that stay and are far from a change; null stands for them. */
export function folded(lines: readonly ILine[]): (ILine | null)[] {
  const isNear = (at: number) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(one => one.kind !== 'same');
  const shown: (ILine | null)[] = [];
  lines.forEach((line, at) => {
    if (isNear(at)) {
      shown.push(line);
    } else if (shown.at(-1) !== null || shown.length === 0) {
      shown.push(null);
    }
  });
  return shown;
}

function kindLabel(cell: IShownCell, trans: IWords): string {
  switch (cell.kind) {
    case 'added':
      return trans.__('added');
    case 'removed':
      return trans.__('removed');
    case 'changed':
      return trans.__('changed');
    case 'moved':
      return trans.__('moved');
  }
}
