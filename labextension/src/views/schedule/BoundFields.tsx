/** From when to when a schedule fires, and what becomes of fires that were missed. */
import React from 'react';

import type { IPlan } from '../../models/schedule.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault, MissedRuns } from '../../tokens/wire.js';
import { ChoiceField, TextField } from '../Field.js';
import { faultsAt } from './PlanFields.js';

export interface IBoundFieldsProps {
  plan: IPlan;
  faults: readonly IFault[];
  trans: IWords;
  onChange: (plan: IPlan) => void;
}

/** Show start, end and the policy for missed runs. */
export function BoundFields({ plan, faults, trans, onChange }: IBoundFieldsProps): React.JSX.Element {
  const policies: [MissedRuns, string][] = [
    ['latest', trans.__('make up for the last one')],
    ['skip', trans.__('skip them')],
    ['all', trans.__('make up for each one')]
  ];
  return (
    <div className="jp-Athena-plan">
      <TextField
        label={trans.__('From')}
        type="datetime-local"
        hint={trans.__('Empty: from the deployment on.')}
        faults={faultsAt(faults, ['schedule.start'])}
        value={plan.start}
        onChange={start => onChange({ ...plan, start })}
      />
      <TextField
        label={trans.__('Until')}
        type="datetime-local"
        hint={trans.__('Empty: without end.')}
        faults={faultsAt(faults, ['schedule.end'])}
        value={plan.end}
        onChange={end => onChange({ ...plan, end })}
      />
      <ChoiceField
        label={trans.__('Runs missed in a pause or an outage')}
        faults={faultsAt(faults, ['schedule.missed'])}
        value={plan.missed}
        choices={policies}
        onChange={missed => onChange({ ...plan, missed })}
      />
    </div>
  );
}
