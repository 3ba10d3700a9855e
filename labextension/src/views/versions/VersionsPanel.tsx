/** The panel "Versions of <job>": what differs from the open notebook, and every version with the way back to it. */
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import type { IFieldDifference } from '../../models/difference.js';
import type { IVersionsState, VersionsModel } from '../../models/versions.js';
import type { IWords } from '../../tokens/names.js';
import type { IJobVersion, Json } from '../../tokens/wire.js';
import { useModelState } from '../modelState.js';
import { CellDifference } from './CellDifference.js';
import { VersionList } from './VersionList.js';

export interface IVersionsPanelProps {
  model: VersionsModel;
  trans: IWords;
  /** Ask before a version is deployed again; resolves to whether it may be. */
  onConfirmRollback: (version: IJobVersion) => Promise<boolean>;
}

/** The panel as a Lumino widget; it owns its model. */
export class VersionsPanel extends ReactWidget {
  constructor(private readonly props: IVersionsPanelProps) {
    super();
    this.addClass('jp-Athena-versions');
  }

  get model(): VersionsModel {
    return this.props.model;
  }

  override dispose(): void {
    this.props.model.dispose();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <Panel {...this.props} />;
  }
}

function Panel({ model, trans, onConfirmRollback }: IVersionsPanelProps): React.JSX.Element {
  const state = useModelState(model);
  const name = state.job?.name ?? '';
  const rollback = async (version: IJobVersion) => {
    if (await onConfirmRollback(version)) {
      await model.rollback(version.version);
    }
  };
  return (
    <section aria-label={trans.__('Versions of %1', name)} aria-busy={!state.isLoaded}>
      <h2>{trans.__('Versions of %1', name)}</h2>
      {state.failure && (
        <div role="alert" className="jp-Athena-banner">
          <p>{state.failure.message}</p>
          <button type="button" className="jp-mod-styled" onClick={() => void model.load()}>
            {trans.__('Try again')}
          </button>
        </div>
      )}
      <p role="status" className="jp-Athena-outcome">
        {outcomeOf(state, trans)}
      </p>
      <div className="jp-Athena-columns">
        <Differences state={state} trans={trans} />
        <VersionList
          state={state}
          trans={trans}
          onChoose={version => void model.choose(version)}
          onRollback={version => void rollback(version)}
        />
      </div>
    </section>
  );
}

function Differences({ state, trans }: { state: IVersionsState; trans: IWords }): React.JSX.Element {
  const current = state.versions[0]?.version ?? 0;
  const other = state.isNotebookOpen ? trans.__('the open notebook') : trans.__('v%1', current);
  return (
    <section className="jp-Athena-differences" aria-label={trans.__('Differences')}>
      {state.chosen !== null && (
        <h3>
          {trans.__('v%1 → %2', state.chosen, other)}{' '}
          <span className="jp-Athena-hint" role="note">
            {summaryOf(state, trans)}
          </span>
        </h3>
      )}
      {state.fields.length > 0 && <Settings fields={state.fields} state={state} trans={trans} />}
      <ol className="jp-Athena-cells" aria-label={trans.__('Cells that differ')}>
        {state.cells.map(cell => (
          <CellDifference key={`${cell.before}-${cell.after}`} cell={cell} trans={trans} />
        ))}
      </ol>
    </section>
  );
}

interface ISettingsProps {
  fields: readonly IFieldDifference[];
  state: IVersionsState;
  trans: IWords;
}

function Settings({ fields, state, trans }: ISettingsProps): React.JSX.Element {
  return (
    <table className="jp-Athena-fields">
      <caption>{trans.__('Settings that differ')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Setting')}</th>
          <th scope="col">v{state.chosen}</th>
          <th scope="col">v{state.versions[0]?.version}</th>
        </tr>
      </thead>
      <tbody>
        {fields.map(field => (
          <tr key={field.field}>
            <th scope="row">{field.field}</th>
            <td>{valueText(field.before)}</td>
            <td>{valueText(field.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function valueText(value: Json): string {
  if (value === null) {
    return '–';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function summaryOf({ cells, sameCells }: IVersionsState, trans: IWords): string {
  if (cells.length === 0) {
    return trans.__('every cell is the same');
  }
  const same = trans._n('%1 is the same', '%1 are the same', sameCells);
  return `${trans._n('%1 cell differs', '%1 cells differ', cells.length)}, ${same}`;
}

function outcomeOf({ promotion, pending }: IVersionsState, trans: IWords): string {
  if (promotion === null) {
    return pending === null ? '' : trans.__('Rolling back to v%1…', pending);
  }
  switch (promotion.state) {
    case 'committed':
      return trans.__('v%1 is committed; Airflow is reading it…', promotion.version);
    case 'waiting':
      return trans.__('v%1 is committed and waiting for the scheduler. It goes live without you.', promotion.version);
    case 'visible':
      return promotion.is_unchanged
        ? trans.__('unchanged: v%1 is current', promotion.version)
        : trans.__('v%1 is live in Airflow', promotion.version);
    case 'failed':
      return promotion.message || trans.__('Airflow could not read v%1.', promotion.version);
  }
}
