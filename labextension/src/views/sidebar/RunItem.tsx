/** One run of a job: its state, how far it is, its error, its output notebook. */
import React from 'react';

import { formatDuration } from '../../models/figures.js';
import { formatIn } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';
import { type IRunSummary, isFinal } from '../../tokens/wire.js';
import { runStateLabel, runTypeLabel } from './labels.js';

export interface IRunItemProps {
  run: IRunSummary;
  timezone: string;
  trans: IWords;
  onOpenOutput: (runId: string) => void;
  onCancel: (runId: string) => void;
}

/** Show one run. */
export function RunItem({ run, timezone, trans, onOpenOutput, onCancel }: IRunItemProps): React.JSX.Element {
  const when = formatIn(timezone, new Date(run.started_at ?? run.queued_at));
  return (
    <li className="jp-Athena-run" aria-label={trans.__('Run of %1', when)} data-run-id={run.id} data-state={run.state}>
      <div>
        <span className={`jp-Athena-badge jp-Athena-run-${run.state}`}>{runStateLabel(run.state, trans)}</span>
        {run.is_late && <span className="jp-Athena-badge jp-Athena-badge-warn">{trans.__('late')}</span>}
        <time dateTime={run.started_at ?? run.queued_at}>{when}</time>
      </div>
      <div className="jp-Athena-hint">
        {runTypeLabel(run.type, trans)} · v{run.job_version}
        {run.started_at && run.ended_at && (
          <> · {formatDuration(Date.parse(run.ended_at) - Date.parse(run.started_at))}</>
        )}
      </div>
      {!isFinal(run.state) && <Progress run={run} trans={trans} />}
      {run.error && <pre className="jp-Athena-error">{run.error}</pre>}
      <Buttons run={run} trans={trans} onOpenOutput={onOpenOutput} onCancel={onCancel} />
    </li>
  );
}

function Progress({ run, trans }: { run: IRunSummary; trans: IWords }): React.JSX.Element {
  const awaited = (run.waits_for ?? []).join(', ');
  if (run.state === 'waiting' && awaited !== '') {
    return <div className="jp-Athena-hint">{trans.__('waits for %1', awaited)}</div>;
  }
  if (run.cells_total === 0) {
    return <progress aria-label={trans.__('Waiting for the first cell')} />;
  }
  return (
    <div className="jp-Athena-progress">
      <progress aria-label={trans.__('Cells done')} value={run.cells_done} max={run.cells_total} />
      <span>{trans.__('cell %1/%2', Math.min(run.cells_done + 1, run.cells_total), run.cells_total)}</span>
    </div>
  );
}

function Buttons({ run, trans, onOpenOutput, onCancel }: Omit<IRunItemProps, 'timezone'>): React.JSX.Element {
  return (
    <div className="jp-Athena-buttons">
      {run.started_at && (
        <button type="button" className="jp-mod-styled" onClick={() => onOpenOutput(run.id)}>
          {trans.__('Open output')}
        </button>
      )}
      {!isFinal(run.state) && (
        <button type="button" className="jp-mod-styled" onClick={() => onCancel(run.id)}>
          {trans.__('Cancel run')}
        </button>
      )}
    </div>
  );
}
