/** The panel "Schedule <notebook>": one form, checked as it is typed, with Deploy at its foot. */
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import type { IPromotionState, PromotionModel } from '../../models/promotion.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault } from '../../tokens/wire.js';
import { Faults, Field } from '../Field.js';
import { useModelState } from '../modelState.js';
import { ParameterTable } from '../ParameterTable.js';
import { DeployBar } from './DeployBar.js';
import { NextRuns } from './NextRuns.js';
import { faultsAt, PlanFields } from './PlanFields.js';

export interface ISchedulePanelProps {
  model: PromotionModel;
  path: string;
  trans: IWords;
  onOpenJob: (jobId: string) => void;
}

/** The panel as a Lumino widget; it owns its model. */
export class SchedulePanel extends ReactWidget {
  constructor(private readonly props: ISchedulePanelProps) {
    super();
    this.addClass('jp-Athena-schedule');
  }

  override dispose(): void {
    this.props.model.dispose();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <Panel {...this.props} />;
  }
}

function Panel({ model, path, trans, onOpenJob }: ISchedulePanelProps): React.JSX.Element {
  const state = useModelState(model);
  const { phase, job, bundle } = state;
  return (
    <form
      aria-label={trans.__('Schedule %1', path)}
      aria-busy={phase === 'loading'}
      onSubmit={event => event.preventDefault()}
    >
      <h2>{bundle?.source.cell_id ? trans.__('Promote a cell of %1', path) : trans.__('Schedule %1', path)}</h2>
      {job && (
        <p className="jp-Athena-known">
          {trans.__('Scheduled as “%1”, v%2 is current. Deploy makes its next version.', job.name, job.version)}
        </p>
      )}
      {phase === 'loading' && <p role="status">{trans.__('Reading the notebook…')}</p>}
      {phase === 'refused' && <Refusal model={model} state={state} trans={trans} />}
      {phase !== 'loading' && phase !== 'refused' && <Fields model={model} state={state} trans={trans} />}
      {phase !== 'loading' && phase !== 'refused' && (
        <DeployBar
          state={state}
          canDeploy={model.canDeploy}
          trans={trans}
          onDeploy={() => void model.deploy()}
          onOpenJob={onOpenJob}
        />
      )}
    </form>
  );
}

interface IPartProps {
  model: PromotionModel;
  state: IPromotionState;
  trans: IWords;
}

function Refusal({ model, state, trans }: IPartProps): React.JSX.Element {
  const faults = state.failure?.faults ?? [];
  return (
    <div role="alert" className="jp-Athena-refusal">
      {faults.length > 0 ? <Faults faults={faults} /> : <p>{state.failure?.message}</p>}
      <button type="button" className="jp-mod-styled" onClick={() => void model.load()}>
        {trans.__('Try again')}
      </button>
    </div>
  );
}

function Fields({ model, state, trans }: IPartProps): React.JSX.Element {
  const { form, faults, check } = state;
  return (
    <div className="jp-Athena-columns">
      <fieldset disabled={state.phase === 'deploying'}>
        <Field label={trans.__('Name')} faults={faultsAt(faults, ['name', 'job_id'])}>
          {binding => (
            <input
              {...binding}
              type="text"
              className="jp-mod-styled"
              value={form.name}
              onChange={event => model.edit({ name: event.target.value })}
            />
          )}
        </Field>
        <PlanFields plan={form.plan} faults={faults} trans={trans} onChange={plan => model.edit({ plan })} />
        <Parameters model={model} state={state} trans={trans} />
        <Field label={trans.__('What changed (optional)')} faults={faultsAt(faults, ['message'])}>
          {binding => (
            <input
              {...binding}
              type="text"
              className="jp-mod-styled"
              value={form.message}
              onChange={event => model.edit({ message: event.target.value })}
            />
          )}
        </Field>
        <Live state={state} trans={trans} />
      </fieldset>
      <NextRuns
        runs={check?.next_runs ?? []}
        timezone={form.plan.timezone}
        isManual={form.plan.preset === 'manual'}
        trans={trans}
      />
    </div>
  );
}

/** What belongs to no field, announced as it comes and goes: other faults, failures, warnings of the bundle. */
function Live({ state, trans }: Omit<IPartProps, 'model'>): React.JSX.Element {
  const { form, faults, failure, bundle } = state;
  const count = faults.length;
  return (
    <div aria-live="polite" className="jp-Athena-live">
      <Faults faults={faults.filter(fault => !hasField(fault, form.entries))} />
      {failure && failure.faults.length === 0 && <p className="jp-Athena-error">{failure.message}</p>}
      {count > 0 && <p className="jp-Athena-hint">{trans._n('%1 fault to mend.', '%1 faults to mend.', count)}</p>}
      {bundle?.warnings.map(warning => (
        <p key={warning} className="jp-Athena-warning">
          {warning}
        </p>
      ))}
    </div>
  );
}

function Parameters({ model, state, trans }: IPartProps): React.JSX.Element {
  const { entries } = state.form;
  return (
    <section aria-label={trans.__('Parameters of the notebook')}>
      <h3>{trans.__('Parameters')}</h3>
      {entries.length === 0 ? (
        <p className="jp-Athena-hint">
          {trans.__('None. Give a cell the tag “parameters” and assign names in it to pass values to a run.')}
        </p>
      ) : (
        <ParameterTable
          entries={entries}
          faults={state.faults}
          trans={trans}
          onChange={changed => model.edit({ entries: changed })}
        />
      )}
    </section>
  );
}

const FIELDS = new Set(['name', 'job_id', 'message', 'schedule', 'schedule.cron', 'cron', 'schedule.timezone', 'timezone']);

/** Whether a fault is shown beside a field of this form; the others are shown at its foot. */
function hasField(fault: IFault, entries: readonly { name: string }[]): boolean {
  const [head, name] = fault.field.split(/[.[\]]+/).filter(Boolean);
  return FIELDS.has(fault.field) || (head === 'parameters' && entries.some(entry => entry.name === name));
}
