/** After what the job runs: the tables that it reads, who writes them, and whether it waits for them. */
import React from 'react';

import { graphOfForm, writerOf } from '../../models/graph.js';
import type { IWaits } from '../../models/terms.js';
import type { IWords } from '../../tokens/names.js';
import type { AfterMode, IFault, ILineage, ITables, IUpstream } from '../../tokens/wire.js';
import { DependencyGraph } from '../DependencyGraph.js';
import { ChoiceField, Faults, Field, TextField } from '../Field.js';
import { faultsAt } from './PlanFields.js';

export interface IAfterFieldsProps {
  name: string;
  waits: IWaits;
  /** The user's own list; null: what lineage found. */
  tables: ITables | null;
  lineage: ILineage;
  upstreams: readonly IUpstream[];
  warnings: readonly IFault[];
  faults: readonly IFault[];
  trans: IWords;
  onWaits: (waits: IWaits) => void;
  onTables: (tables: ITables | null) => void;
}

/** Show the choice, the tables and the picture. */
export function AfterFields(props: IAfterFieldsProps): React.JSX.Element {
  const { waits, tables, lineage, upstreams, faults, trans, onWaits } = props;
  const shown = tables ?? lineage;
  const modes: [AfterMode, string][] = [
    ['time', trans.__('at its times, whatever else happens')],
    ['updates', trans.__('when its tables were updated')],
    ['time_and_updates', trans.__('at its times, and not before its tables were updated')]
  ];
  const choose = (mode: AfterMode) =>
    // Somebody who wants to wait wants to wait for what other jobs write.
    onWaits({ ...waits, mode, tables: waits.tables.length > 0 ? waits.tables : written(upstreams) });
  return (
    <div>
      <ChoiceField
        label={trans.__('Runs')}
        faults={faultsAt(faults, ['after.mode', 'after'])}
        value={waits.mode}
        choices={modes}
        onChange={choose}
      />
      {waits.mode !== 'time' && <WaitList {...props} reads={shown.reads} />}
      {(upstreams.length > 0 || shown.writes.length > 0) && (
        <DependencyGraph
          graph={graphOfForm(props.name, upstreams, { reads: [...shown.reads], writes: [...shown.writes] }, trans)}
          label={trans.__('Dependencies of %1', props.name)}
        />
      )}
      {props.warnings.map(warning => (
        <p key={warning.message} role="note" className="jp-Athena-warning">
          {warning.message}
        </p>
      ))}
      <TableFields {...props} />
    </div>
  );
}

function written(upstreams: readonly IUpstream[]): string[] {
  return [...new Set(upstreams.filter(upstream => upstream.job_id !== null).map(upstream => upstream.table))];
}

function WaitList(props: IAfterFieldsProps & { reads: readonly string[] }): React.JSX.Element {
  const { waits, reads, upstreams, faults, trans, onWaits } = props;
  const offered = [...new Set([...reads, ...waits.tables])];
  const toggle = (table: string, isOn: boolean) =>
    onWaits({ ...waits, tables: isOn ? [...waits.tables, table] : waits.tables.filter(other => other !== table) });
  const writers = (table: string) =>
    upstreams
      .filter(upstream => upstream.table === table && upstream.job_id !== null)
      .map(upstream => trans.__('%1 (%2)', upstream.job_name ?? '', writerOf(upstream)))
      .join(', ');
  return (
    <fieldset className="jp-Athena-slice">
      <legend>{trans.__('Waits for updates of')}</legend>
      {offered.length === 0 && <p className="jp-Athena-hint">{trans.__('No table that it reads is known.')}</p>}
      <ul className="jp-Athena-files">
        {offered.map(table => (
          <li key={table}>
            <label>
              <input
                type="checkbox"
                checked={waits.tables.includes(table)}
                onChange={event => toggle(table, event.target.checked)}
              />
              <code>{table}</code>
            </label>
            <span className="jp-Athena-hint">{writers(table) || trans.__('no job writes it')}</span>
          </li>
        ))}
      </ul>
      <Faults faults={faultsAt(faults, ['after.tables'])} />
      <TextField
        label={trans.__('Say that it is late after')}
        hint={trans.__('It goes on waiting.')}
        faults={faultsAt(faults, ['after.deadline_s'])}
        value={waits.deadline}
        onChange={deadline => onWaits({ ...waits, deadline })}
      />
    </fieldset>
  );
}

function TableFields({ tables, lineage, faults, trans, onTables }: IAfterFieldsProps): React.JSX.Element {
  const shown = tables ?? lineage;
  const edit = (key: keyof ITables, text: string) => {
    const lines = text.split('\n').map(line => line.trimStart());
    onTables({ reads: [...shown.reads], writes: [...shown.writes], [key]: lines });
  };
  const labels: [keyof ITables, string][] = [
    ['reads', trans.__('Tables that it reads')],
    ['writes', trans.__('Tables that it writes')]
  ];
  return (
    <div className="jp-Athena-plan">
      {labels.map(([key, label]) => (
        <Field
          key={key}
          label={label}
          hint={trans.__('dataset.table, one a line')}
          faults={faults.filter(fault => fault.field.startsWith(`tables.${key}`))}
        >
          {binding => (
            <textarea
              {...binding}
              rows={Math.min(8, Math.max(2, shown[key].length + 1))}
              spellCheck={false}
              className="jp-mod-styled jp-Athena-code"
              value={shown[key].join('\n')}
              onChange={event => edit(key, event.target.value)}
            />
          )}
        </Field>
      ))}
      {tables !== null && (
        <button type="button" className="jp-mod-styled" onClick={() => onTables(null)}>
          {trans.__('Take what was found in the code')}
        </button>
      )}
      {lineage.unknown.map(unknown => (
        <p key={`${unknown.cell}:${unknown.text}`} role="note" className="jp-Athena-hint">
          {unknown.cell === null
            ? trans.__('Not known: %1. Complete the lists if it is a table.', unknown.text)
            : trans.__('Cell %1, not known: %2. Complete the lists if it is a table.', unknown.cell + 1, unknown.text)}
        </p>
      ))}
    </div>
  );
}
