/** The next ten runs in the job's zone, with the offset from UTC and a mark where the clocks change. */
import React from 'react';

import { momentsIn } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';

export interface INextRunsProps {
  runs: readonly string[];
  timezone: string;
  isManual: boolean;
  trans: IWords;
}

/** Show the preview. */
export function NextRuns({ runs, timezone, isManual, trans }: INextRunsProps): React.JSX.Element {
  return (
    <section className="jp-Athena-next" aria-label={trans.__('Preview')}>
      <h3>{trans.__('Next runs')}</h3>
      {isManual ? (
        <p>{trans.__('This job runs only when somebody presses “Run now” in the Athena sidebar.')}</p>
      ) : runs.length === 0 ? (
        <p>{trans.__('Shown as soon as the form has no faults.')}</p>
      ) : (
        <ol aria-label={trans.__('Next runs')}>
          {momentsIn(timezone, runs.slice(0, 10)).map(moment => (
            <li key={moment.iso}>
              <time dateTime={moment.iso}>{moment.text}</time> <span className="jp-Athena-offset">{moment.offset}</span>
              {moment.isShifted && <span className="jp-Athena-badge">{trans.__('clocks change')}</span>}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
