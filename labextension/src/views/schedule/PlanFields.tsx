/** When a job runs: presets in plain words, the cron expression that they stand for, and the zone. */
import React, { useId, useMemo } from 'react';

import { cronOf, type IPlan, planOf, type Preset, PRESETS, presetLabel, scheduleOf, weekdayName } from '../../models/schedule.js';
import { knownZones } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault } from '../../tokens/wire.js';
import { Field } from '../Field.js';

export interface IPlanFieldsProps {
  plan: IPlan;
  faults: readonly IFault[];
  trans: IWords;
  onChange: (plan: IPlan) => void;
}

/** Show the fields that the chosen preset needs. */
export function PlanFields({ plan, faults, trans, onChange }: IPlanFieldsProps): React.JSX.Element {
  const patch = (change: Partial<IPlan>) => onChange({ ...plan, ...change });
  const isTimed = plan.preset !== 'manual' && plan.preset !== 'custom';
  const choose = (preset: Preset) => patch({ preset, cron: cronOf(plan) ?? plan.cron });
  return (
    <div className="jp-Athena-plan">
      <Field label={trans.__('Repeats')} faults={faultsAt(faults, ['schedule'])}>
        {binding => (
          <select
            {...binding}
            className="jp-mod-styled"
            value={plan.preset}
            onChange={event => choose(event.target.value as Preset)}
          >
            {PRESETS.map(preset => (
              <option key={preset} value={preset}>
                {presetLabel(preset, trans)}
              </option>
            ))}
          </select>
        )}
      </Field>
      {plan.preset === 'weekly' && <WeekdayField plan={plan} trans={trans} onChange={patch} />}
      {plan.preset === 'monthly' && <DayField plan={plan} trans={trans} onChange={patch} />}
      {isTimed && (
        <Field label={plan.preset === 'hourly' ? trans.__('Time (its minutes count)') : trans.__('Time')} faults={[]}>
          {binding => (
            <input
              {...binding}
              type="time"
              className="jp-mod-styled"
              value={plan.time}
              onChange={event => event.target.value && patch({ time: event.target.value.slice(0, 5) })}
            />
          )}
        </Field>
      )}
      {plan.preset !== 'manual' && <CronField plan={plan} faults={faults} trans={trans} onChange={onChange} />}
      <ZoneField plan={plan} faults={faults} trans={trans} onChange={patch} />
    </div>
  );
}

interface IPartProps {
  plan: IPlan;
  trans: IWords;
  onChange: (change: Partial<IPlan>) => void;
}

function WeekdayField({ plan, trans, onChange }: IPartProps): React.JSX.Element {
  return (
    <Field label={trans.__('Weekday')} faults={[]}>
      {binding => (
        <select
          {...binding}
          className="jp-mod-styled"
          value={plan.weekday}
          onChange={event => onChange({ weekday: Number(event.target.value) })}
        >
          {[1, 2, 3, 4, 5, 6, 0].map(weekday => (
            <option key={weekday} value={weekday}>
              {weekdayName(weekday)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function DayField({ plan, trans, onChange }: IPartProps): React.JSX.Element {
  return (
    <Field
      label={trans.__('Day of the month')}
      hint={plan.day > 28 ? trans.__('Shorter months are left out.') : undefined}
      faults={[]}
    >
      {binding => (
        <input
          {...binding}
          type="number"
          min={1}
          max={31}
          className="jp-mod-styled"
          value={plan.day}
          onChange={event => onChange({ day: Number(event.target.value) })}
        />
      )}
    </Field>
  );
}

type WholeProps = Omit<IPlanFieldsProps, 'onChange'> & { onChange: (plan: IPlan) => void };

function CronField({ plan, faults, trans, onChange }: WholeProps): React.JSX.Element {
  // Typing stays in the raw expression; a preset is recognised only when the notebook is opened again.
  const type = (cron: string) => onChange({ ...planOf({ ...scheduleOf(plan), cron }), preset: 'custom', cron });
  return (
    <Field
      label={trans.__('Cron expression')}
      hint={trans.__('Minute, hour, day of the month, month, day of the week.')}
      faults={faultsAt(faults, ['schedule.cron', 'cron'])}
    >
      {binding => (
        <input
          {...binding}
          type="text"
          spellCheck={false}
          className="jp-mod-styled jp-Athena-code"
          value={plan.preset === 'custom' ? plan.cron : (cronOf(plan) ?? '')}
          onChange={event => type(event.target.value)}
        />
      )}
    </Field>
  );
}

function ZoneField({ plan, faults, trans, onChange }: IPartProps & { faults: readonly IFault[] }): React.JSX.Element {
  const listId = useId();
  const zones = useMemo(knownZones, []);
  return (
    <Field label={trans.__('Time zone')} faults={faultsAt(faults, ['schedule.timezone', 'timezone'])}>
      {binding => (
        <>
          <input
            {...binding}
            type="text"
            list={listId}
            spellCheck={false}
            autoComplete="off"
            className="jp-mod-styled"
            value={plan.timezone}
            onChange={event => onChange({ timezone: event.target.value })}
          />
          <datalist id={listId}>
            {zones.map(zone => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

/** Pick the faults of exactly these fields. */
export function faultsAt(faults: readonly IFault[], fields: readonly string[]): IFault[] {
  return faults.filter(fault => fields.includes(fault.field));
}
