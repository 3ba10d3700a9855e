/** Guard rails: retries, time limits, overlapping runs and budgets of bytes. */
import React from 'react';

import type { ILimits } from '../../models/terms.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault, Overlap } from '../../tokens/wire.js';
import { ChoiceField, TextField } from '../Field.js';
import { faultsAt } from './PlanFields.js';

export interface ILimitFieldsProps {
  limits: ILimits;
  faults: readonly IFault[];
  trans: IWords;
  onChange: (limits: ILimits) => void;
}

/** Show the limits of a run. */
export function LimitFields({ limits, faults, trans, onChange }: ILimitFieldsProps): React.JSX.Element {
  const patch = (change: Partial<ILimits>) => onChange({ ...limits, ...change });
  const text = (key: TextKey, field: string, label: string, hint?: string) => (
    <TextField
      label={label}
      hint={hint}
      faults={faultsAt(faults, [field])}
      value={limits[key]}
      onChange={value => patch({ [key]: value })}
    />
  );
  const none = trans.__('Empty: no limit.');
  return (
    <div className="jp-Athena-plan">
      {text('retries', 'retries', trans.__('Retries of a failed notebook'))}
      {text('retryDelay', 'guards.retry_delay_s', trans.__('Wait between retries'))}
      <label className="jp-Athena-check">
        <input
          type="checkbox"
          checked={limits.hasBackoff}
          onChange={event => patch({ hasBackoff: event.target.checked })}
        />
        {trans.__('Wait twice as long each time')}
      </label>
      {text('timeout', 'timeout_s', trans.__('A run may take'))}
      {text('cellTimeout', 'guards.cell_timeout_s', trans.__('A cell may take'), none)}
      <OverlapField limits={limits} faults={faults} trans={trans} onChange={patch} />
      {text('runBytes', 'guards.run_bytes', trans.__('Bytes billed a run'), none)}
      {text('monthBytes', 'guards.month_bytes', trans.__('Bytes billed a month'), none)}
    </div>
  );
}

type TextKey = Exclude<keyof ILimits, 'hasBackoff' | 'overlap'>;
type IOverlapProps = Omit<ILimitFieldsProps, 'onChange'> & { onChange: (change: Partial<ILimits>) => void };

function OverlapField({ limits, faults, trans, onChange }: IOverlapProps): React.JSX.Element {
  const choices: [Overlap, string][] = [
    ['queue', trans.__('wait for its end')],
    ['skip', trans.__('skip the new run')],
    ['allow', trans.__('run beside it')]
  ];
  return (
    <ChoiceField
      label={trans.__('When a run is still under way')}
      faults={faultsAt(faults, ['guards.overlap'])}
      value={limits.overlap}
      choices={choices}
      onChange={overlap => onChange({ overlap })}
    />
  );
}
