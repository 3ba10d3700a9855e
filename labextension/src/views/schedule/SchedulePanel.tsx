/** The panel "Schedule <notebook>": one form, checked as it is typed, with Deploy at its foot. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import type { PromotionModel } from '../../models/promotion.js';
import { standingOf } from '../../models/rehearsed.js';
import type { IWords } from '../../tokens/names.js';
import type { IBundle } from '../../tokens/wire.js';
import { Faults } from '../Field.js';
import { useModelState } from '../modelState.js';
import { DeployBar } from './DeployBar.js';
import { FormSections, type IPartProps } from './FormSections.js';
import { RehearsalSection } from './RehearsalSection.js';

export interface ISchedulePanelProps {
  model: PromotionModel;
  path: string;
  trans: IWords;
  onOpenJob: (jobId: string) => void;
  onOpenRehearsal: (rehearsalId: string) => void;
}

/** The panel as a Lumino widget; it owns its model. */
export class SchedulePanel extends ReactWidget {
  constructor(private readonly props: ISchedulePanelProps) {
    super();
    this.addClass('jp-Athena-schedule');
  }

  get model(): PromotionModel {
    return this.props.model;
  }

  override dispose(): void {
    this.props.model.dispose();
    super.dispose();
  }

  /** Who comes back to the panel may have edited the file elsewhere. */
  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.props.model.noteEdit();
  }

  protected override render(): React.JSX.Element {
    return <Panel {...this.props} />;
  }
}

function Panel(props: ISchedulePanelProps): React.JSX.Element {
  const { model, path, trans } = props;
  const state = useModelState(model);
  const { phase, job, bundle } = state;
  return (
    <form
      aria-label={trans.__('Schedule %1', path)}
      aria-busy={phase === 'loading'}
      onSubmit={event => event.preventDefault()}
    >
      <h2>{headingOf(bundle, path, trans)}</h2>
      {job && (
        <p className="jp-Athena-known">
          {trans.__('Scheduled as “%1”, v%2 is current. Deploy makes its next version.', job.name, job.version)}
        </p>
      )}
      {phase === 'loading' && <p role="status">{trans.__('Reading %1…', path)}</p>}
      {phase === 'refused' && <Refusal model={model} state={state} trans={trans} />}
      {phase !== 'loading' && phase !== 'refused' && <Form {...props} state={state} />}
    </form>
  );
}

function Form({ model, state, trans, onOpenJob, onOpenRehearsal }: ISchedulePanelProps & IPartProps): React.JSX.Element {
  const rehearsal = useModelState(model.rehearsal);
  return (
    <>
      <FormSections model={model} state={state} trans={trans} />
      <RehearsalSection
        model={model}
        state={state}
        rehearsal={rehearsal}
        trans={trans}
        onOpenOutput={onOpenRehearsal}
      />
      <DeployBar
        state={state}
        canDeploy={model.canDeploy}
        standing={standingOf(rehearsal, model.present, trans)}
        trans={trans}
        onDeploy={() => void model.deploy()}
        onOpenJob={onOpenJob}
      />
    </>
  );
}

function headingOf(bundle: IBundle | null, path: string, trans: IWords): string {
  if (bundle?.source.cell_id) {
    return trans.__('Promote a cell of %1', path);
  }
  const count = bundle?.source.cell_ids.length ?? 0;
  return count > 0 ? trans.__('Promote %1 cells of %2', count, path) : trans.__('Schedule %1', path);
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
