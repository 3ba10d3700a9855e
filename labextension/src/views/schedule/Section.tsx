/** One section of the form: it folds, and says in its heading how many faults it holds. */
import React from 'react';

import type { IWords } from '../../tokens/names.js';

export interface ISectionProps {
  title: string;
  /** What its fields say in short, shown beside the title. */
  summary?: string;
  faultCount?: number;
  isOpen?: boolean;
  /** Told when it unfolds: some things are asked only then. */
  onOpen?: () => void;
  trans: IWords;
  children: React.ReactNode;
}

/** Show a section. */
export function Section(props: ISectionProps): React.JSX.Element {
  const { title, summary, faultCount = 0, isOpen, onOpen, trans, children } = props;
  return (
    <details
      className="jp-Athena-section"
      open={isOpen}
      aria-label={title}
      onToggle={event => event.currentTarget.open && onOpen?.()}
    >
      <summary>
        <h3>{title}</h3>
        {summary && <span className="jp-Athena-hint">{summary}</span>}
        {faultCount > 0 && (
          <span className="jp-Athena-badge jp-Athena-badge-failed">
            {trans._n('%1 fault', '%1 faults', faultCount)}
          </span>
        )}
      </summary>
      {children}
    </details>
  );
}
