/** The Deploy button, its stopwatch, and how the deployment ended. */
import React from 'react';

import { formatDuration } from '../../models/figures.js';
import type { IPromotionState } from '../../models/promotion.js';
import type { IWords } from '../../tokens/names.js';

export interface IDeployBarProps {
  state: IPromotionState;
  canDeploy: boolean;
  /** How the form stands to its last rehearsal. */
  standing: string;
  trans: IWords;
  onDeploy: () => void;
  onOpenJob: (jobId: string) => void;
}

/** Show the button and what it did. */
export function DeployBar(props: IDeployBarProps): React.JSX.Element {
  const { state, canDeploy, standing, trans, onDeploy, onOpenJob } = props;
  const { promotion, phase, check } = state;
  const isDeploying = phase === 'deploying';
  return (
    <div className="jp-Athena-deploy">
      <button type="button" className="jp-mod-styled jp-mod-accept" disabled={!canDeploy} onClick={onDeploy}>
        {trans.__('Deploy')}
      </button>
      <span className="jp-Athena-hint jp-Athena-standing">{standing}</span>
      {!isDeploying && promotion === null && check !== null && (
        <span className="jp-Athena-hint">
          {check.is_unchanged
            ? trans.__('unchanged: v%1 is current', check.next_version)
            : trans.__('makes v%1', check.next_version)}
        </span>
      )}
      {isDeploying && (
        <span role="timer" aria-label={trans.__('Time since Deploy was pressed')} className="jp-Athena-stopwatch">
          {formatDuration(state.elapsed)}
        </span>
      )}
      <span role="status" className={`jp-Athena-outcome jp-Athena-outcome-${promotion?.state ?? 'none'}`}>
        {outcomeOf(state, trans)}
      </span>
      {promotion !== null && (
        <button type="button" className="jp-mod-styled" onClick={() => onOpenJob(promotion.job_id)}>
          {trans.__('Show in the Athena sidebar')}
        </button>
      )}
    </div>
  );
}

/** Say how far the deployment is. */
export function outcomeOf(state: IPromotionState, trans: IWords): string {
  const { promotion, phase, elapsed } = state;
  if (promotion === null) {
    return phase === 'deploying' ? trans.__('Uploading the notebook…') : '';
  }
  const { version } = promotion;
  if (promotion.is_unchanged && promotion.state === 'visible') {
    return trans.__('unchanged: v%1 is current', version);
  }
  switch (promotion.state) {
    case 'committed':
      return trans.__('v%1 is committed; Airflow is reading it…', version);
    case 'waiting':
      return trans.__('v%1 is committed and waiting for the scheduler. It goes live without you.', version);
    case 'visible':
      return trans.__('v%1 is live in Airflow after %2', version, formatDuration(elapsed));
    case 'failed':
      return promotion.message || trans.__('Airflow could not read v%1.', version);
  }
}
