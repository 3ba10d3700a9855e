/** What runs: the cells of a slice with their reasons, side files with their sizes, the environment, SQL's destination. */
import React from 'react';

import { type IContent, sliceOf, toggleCell } from '../../models/content.js';
import { formatBytes } from '../../models/figures.js';
import type { IWords } from '../../tokens/names.js';
import type { DestinationMode, EnvironmentKind, IBundle, IFault, ISliceCell } from '../../tokens/wire.js';
import { ChoiceField, Faults, Field, TextField } from '../Field.js';
import { faultsAt } from './PlanFields.js';

export interface IWhatFieldsProps {
  bundle: IBundle;
  content: IContent;
  faults: readonly IFault[];
  trans: IWords;
  onChange: (patch: Partial<IContent>) => void;
}

interface IEnvironmentProps extends IWhatFieldsProps {
  warnings: readonly IFault[];
}

/** Show what the bundle holds, and what may be changed about it; `warnings` are the check's of the environment. */
export function WhatFields({ warnings, ...props }: IEnvironmentProps): React.JSX.Element {
  const { bundle, content, faults, trans, onChange } = props;
  return (
    <div>
      {bundle.slice.length > 0 && (
        <SliceList bundle={bundle} content={content} faults={faults} trans={trans} onChange={onChange} />
      )}
      <Doubts bundle={bundle} trans={trans} />
      {bundle.kind === 'sql' && <DestinationFields content={content} faults={faults} trans={trans} onChange={onChange} />}
      <Files bundle={bundle} content={content} faults={faults} trans={trans} onChange={onChange} />
      <Environment {...props} warnings={warnings} />
    </div>
  );
}

/** Say in short what runs. */
export function summaryOf(bundle: IBundle, trans: IWords): string {
  const cells = trans._n('%1 cell', '%1 cells', bundle.cells.length);
  if (bundle.slice.length === 0) {
    return cells;
  }
  return trans.__('%1 of %2 cells', bundle.cells.length, bundle.slice.length);
}

function SliceList({ bundle, content, faults, trans, onChange }: IWhatFieldsProps): React.JSX.Element {
  const cells = sliceOf(bundle, content);
  return (
    <fieldset className="jp-Athena-slice">
      <legend>{trans.__('Cells that run')}</legend>
      <ol>
        {cells.map(cell => (
          <SliceItem
            key={cell.cell_id}
            cell={cell}
            trans={trans}
            onToggle={isKept => onChange({ keptCells: toggleCell(bundle, content, cell.cell_id, isKept) })}
          />
        ))}
      </ol>
      {content.keptCells !== null && (
        <button type="button" className="jp-mod-styled" onClick={() => onChange({ keptCells: null })}>
          {trans.__('Keep what is needed')}
        </button>
      )}
      <Faults faults={faultsAt(faults, ['kept_cells', 'source.cell_id', 'cell_id'])} />
    </fieldset>
  );
}

interface ISliceItemProps {
  cell: ISliceCell;
  trans: IWords;
  onToggle: (isKept: boolean) => void;
}

function SliceItem({ cell, trans, onToggle }: ISliceItemProps): React.JSX.Element {
  const isLost = cell.is_needed && !cell.is_kept;
  return (
    <li className={cell.is_kept ? '' : 'jp-Athena-left'}>
      <label>
        <input
          type="checkbox"
          checked={cell.is_kept}
          disabled={cell.is_target}
          onChange={event => onToggle(event.target.checked)}
        />
        <span className="jp-Athena-cellNumber">{cell.index + 1}</span>
        <code>{cell.first_line || trans.__('(empty)')}</code>
      </label>
      <span className={isLost ? 'jp-Athena-warning' : 'jp-Athena-hint'}>{reasonOf(cell, trans)}</span>
    </li>
  );
}

function reasonOf(cell: ISliceCell, trans: IWords): string {
  if (cell.is_target) {
    return trans.__('promoted');
  }
  const names = cell.why.join(', ');
  if (cell.is_needed) {
    return cell.is_kept ? trans.__('for %1', names || '…') : trans.__('left out although needed for %1', names || '…');
  }
  return cell.is_kept ? trans.__('kept by you') : trans.__('not needed');
}

function Doubts({ bundle, trans }: { bundle: IBundle; trans: IWords }): React.JSX.Element {
  const { missing_names: missing, undecided } = bundle;
  return (
    <>
      {missing.length > 0 && (
        <p role="note" className="jp-Athena-warning">
          {trans.__('Only the kernel knows %1: no cell creates it, so a run will not find it.', missing.join(', '))}
        </p>
      )}
      {undecided.map(note => (
        <p key={note} role="note" className="jp-Athena-hint">
          {trans.__('Not decided: %1', note)}
        </p>
      ))}
    </>
  );
}

type IPartProps = Omit<IWhatFieldsProps, 'bundle'>;

function DestinationFields({ content, faults, trans, onChange }: IPartProps): React.JSX.Element {
  const modes: [DestinationMode, string][] = [
    ['replace', trans.__('replace its rows')],
    ['append', trans.__('append to it')],
    ['create', trans.__('create it, fail if it exists')]
  ];
  return (
    <div className="jp-Athena-plan">
      <TextField
        label={trans.__('Write the result to the table')}
        hint={trans.__('dataset.table; empty: the statements write what they write.')}
        faults={faults.filter(fault => fault.field.startsWith('destination'))}
        value={content.table}
        onChange={table => onChange({ table })}
      />
      <ChoiceField
        label={trans.__('How')}
        faults={[]}
        value={content.mode}
        choices={modes}
        onChange={mode => onChange({ mode })}
      />
    </div>
  );
}

function Files({ bundle, content, faults, trans, onChange }: IWhatFieldsProps): React.JSX.Element {
  return (
    <>
      {bundle.files.length > 0 && (
        <ul className="jp-Athena-files" aria-label={trans.__('Side files')}>
          {bundle.files.map(file => (
            <li key={file.path}>
              <code>{file.path}</code> <span className="jp-Athena-hint">{formatBytes(file.size_bytes)}</span>
              {file.why && <span className="jp-Athena-hint"> {file.why}</span>}
            </li>
          ))}
        </ul>
      )}
      <Field
        label={trans.__('Further files')}
        hint={trans.__('Paths or patterns beside the notebook, one a line: data/*.csv')}
        faults={faults.filter(fault => /^(files|globs)\b/.test(fault.field))}
      >
        {binding => (
          <textarea
            {...binding}
            rows={2}
            spellCheck={false}
            className="jp-mod-styled jp-Athena-code"
            value={content.files}
            onChange={event => onChange({ files: event.target.value })}
          />
        )}
      </Field>
    </>
  );
}

/** The choice that keeps the deployed environment. */
const KEPT = 'kept';

function Environment({ bundle, content, warnings, faults, trans, onChange }: IEnvironmentProps): React.JSX.Element {
  const { environment } = bundle;
  const kept: [string, string][] = content.lockedJob === null ? [] : [[KEPT, trans.__('as it is deployed: locked')]];
  const choices: [string, string][] = [
    ...kept,
    ['platform', trans.__('the platform’s own (starts fastest)')],
    ['lock', trans.__('locked: what this notebook imports, as it is installed now')]
  ];
  return (
    <Field
      label={trans.__('Environment')}
      hint={
        environment.kind === 'lock'
          ? trans._n('Python %2, %1 package', 'Python %2, %1 packages', environment.packages, environment.python)
          : undefined
      }
      faults={faultsAt(faults, ['environment', 'lock'])}
    >
      {binding => (
        <>
          <select
            {...binding}
            className="jp-mod-styled"
            value={content.environment ?? KEPT}
            onChange={({ target: { value } }) => onChange({ environment: value === KEPT ? null : (value as EnvironmentKind) })}
          >
            {choices.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
          {[...environment.warnings, ...warnings.map(one => one.message)].map(warning => (
            <p key={warning} className="jp-Athena-warning">
              {warning}
            </p>
          ))}
        </>
      )}
    </Field>
  );
}
