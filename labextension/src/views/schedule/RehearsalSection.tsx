/** The section "Rehearsal": run what would be deployed once, with writes to a scratch dataset, and see what it did. */
import React, { useId } from 'react';

import { formatDuration } from '../../models/figures.js';
import type { IPromotionState, PromotionModel } from '../../models/promotion.js';
import type { IRehearsalState } from '../../models/rehearsal.js';
import { elapsedOf, isOutdated, progressOf, standingOf } from '../../models/rehearsed.js';
import type { Failure } from '../../tokens/failure.js';
import type { IWords } from '../../tokens/names.js';
import { Faults } from '../Field.js';
import { useTime } from '../time.js';
import { RehearsalReport } from './RehearsalReport.js';
import { Section } from './Section.js';

export interface IRehearsalSectionProps {
  model: PromotionModel;
  state: IPromotionState;
  rehearsal: IRehearsalState;
  trans: IWords;
  onOpenOutput: (rehearsalId: string) => void;
}

/** Show the button, how far the rehearsal is, and what it did. */
export function RehearsalSection(props: IRehearsalSectionProps): React.JSX.Element {
  const { model, state, rehearsal: shown, trans } = props;
  const { rehearsal, failure } = shown;
  const hasReport = rehearsal !== null && !shown.isStarting;
  return (
    <Section title={trans.__('Rehearsal')} summary={standingOf(shown, model.present, trans)} isOpen trans={trans}>
      <p className="jp-Athena-hint">
        {trans.__(
          'A rehearsal runs once, now, on a worker, exactly what Deploy would deploy. It writes to a scratch dataset only, which is kept for a day.'
        )}
      </p>
      <Controls {...props} />
      {failure && <Trouble failure={failure} isGoing={shown.isGoing} trans={trans} />}
      {hasReport && !shown.isGoing && isOutdated(shown, model.present) && (
        <p role="note" className="jp-Athena-warning">
          {trans.__('This rehearsal was of earlier content: something has changed since. Rehearse again to see what it does now.')}
        </p>
      )}
      {hasReport && (
        <RehearsalReport
          rehearsal={rehearsal}
          cells={shown.cells}
          since={shown.since}
          forecast={state.check?.forecast ?? null}
          trans={trans}
        />
      )}
    </Section>
  );
}

function Controls(props: IRehearsalSectionProps): React.JSX.Element {
  const { model, state, rehearsal: shown, trans } = props;
  const id = useId();
  const isBusy = shown.isStarting || shown.isGoing;
  const obstacle = isBusy ? '' : obstacleOf(state, trans);
  const progress = shown.isStarting ? 'starting' : (shown.rehearsal?.state ?? 'none');
  return (
    <div className="jp-Athena-rehearse">
      <button
        type="button"
        className="jp-mod-styled"
        disabled={isBusy || obstacle !== ''}
        aria-describedby={id}
        onClick={() => void model.rehearsal.start()}
      >
        {trans.__('Rehearse')}
      </button>
      <PresentButtons {...props} />
      <span id={id} className="jp-Athena-hint">
        {obstacle}
      </span>
      <span aria-live="polite" className={`jp-Athena-outcome-${progress}`}>
        {progressOf(shown, trans)}
      </span>
      {shown.isGoing && <Stopwatch shown={shown} trans={trans} />}
    </div>
  );
}

/** What can be done with the rehearsal that is shown. */
function PresentButtons({ model, rehearsal: shown, trans, onOpenOutput }: IRehearsalSectionProps): React.JSX.Element {
  const { rehearsal, isStarting, isGoing, isStopping } = shown;
  return (
    <>
      {isGoing && (
        <button type="button" className="jp-mod-styled" disabled={isStopping} onClick={() => void model.rehearsal.stop()}>
          {trans.__('Stop')}
        </button>
      )}
      {rehearsal?.has_output && !isStarting && (
        <button type="button" className="jp-mod-styled" onClick={() => onOpenOutput(rehearsal.id)}>
          {trans.__('Open the output')}
        </button>
      )}
    </>
  );
}

function Stopwatch({ shown, trans }: { shown: IRehearsalState; trans: IWords }): React.JSX.Element | null {
  const now = useTime(true);
  return shown.rehearsal === null ? null : (
    <span role="timer" aria-label={trans.__('Time since Rehearse was pressed')} className="jp-Athena-stopwatch">
      {formatDuration(elapsedOf(shown.rehearsal, shown.since, now))}
    </span>
  );
}

interface ITroubleProps {
  failure: Failure;
  isGoing: boolean;
  trans: IWords;
}

function Trouble({ failure, isGoing, trans }: ITroubleProps): React.JSX.Element {
  return (
    <div role="alert">
      {failure.faults.length > 0 ? (
        <Faults faults={failure.faults} />
      ) : (
        <p className="jp-Athena-error">{failure.message}</p>
      )}
      {failure.isUnreachable && (
        <p className="jp-Athena-hint">
          {isGoing
            ? trans.__('The rehearsal goes on; its state is shown again by itself once the gateway answers.')
            : trans.__('Rehearse once the gateway answers.')}
        </p>
      )}
    </div>
  );
}

/** Why Rehearse cannot be pressed now; empty if it can. */
function obstacleOf({ phase, isDrafting, isChecking, faults, check }: IPromotionState, trans: IWords): string {
  if (phase === 'deploying') {
    return trans.__('Possible again once the deployment is done.');
  }
  if (isDrafting) {
    return trans.__('The file is being read…');
  }
  if (faults.length > 0) {
    return trans._n('Mend the fault of the form first.', 'Mend the %1 faults of the form first.', faults.length);
  }
  if (isChecking) {
    return trans.__('The form is being checked…');
  }
  return check === null ? trans.__('The form could not be checked; the reason stands above.') : '';
}
