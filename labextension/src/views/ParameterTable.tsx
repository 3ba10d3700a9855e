/** The table of a notebook's parameters, each with an input of its type; a date may be a relative one. */
import React from 'react';

import { faultsOfParameter, type IEntry, isDated, RELATIVE_DATES, relativeLabel, textOf } from '../models/parameters.js';
import type { IWords } from '../tokens/names.js';
import type { IFault } from '../tokens/wire.js';
import { Faults } from './Field.js';

export interface IParameterTableProps {
  entries: readonly IEntry[];
  faults: readonly IFault[];
  /** The relative dates on offer, by parameter; all of them if absent. */
  relativesOf?: (name: string) => readonly string[];
  trans: IWords;
  onChange: (entries: IEntry[]) => void;
}

/** Show all parameters; nothing if there are none. */
export function ParameterTable(props: IParameterTableProps): React.JSX.Element {
  const { entries, faults, trans } = props;
  const change = (name: string, patch: Partial<IEntry>) =>
    props.onChange(entries.map(entry => (entry.name === name ? { ...entry, ...patch } : entry)));
  return (
    <table className="jp-Athena-parameters" aria-label={trans.__('Parameters')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Type')}</th>
          <th scope="col">{trans.__('Value')}</th>
        </tr>
      </thead>
      <tbody>
        {entries.map(entry => (
          <Row
            key={entry.name}
            entry={entry}
            faults={faultsOfParameter(faults, entry.name)}
            relatives={props.relativesOf?.(entry.name) ?? RELATIVE_DATES}
            trans={trans}
            onChange={patch => change(entry.name, patch)}
          />
        ))}
      </tbody>
    </table>
  );
}

interface IRowProps {
  entry: IEntry;
  faults: readonly IFault[];
  relatives: readonly string[];
  trans: IWords;
  onChange: (patch: Partial<IEntry>) => void;
}

function Row({ entry, faults, relatives, trans, onChange }: IRowProps): React.JSX.Element {
  return (
    <tr>
      <th scope="row">
        <code>{entry.name}</code>
        {entry.description && <p className="jp-Athena-hint">{entry.description}</p>}
      </th>
      <td>{entry.type}</td>
      <td>
        {isDated(entry.type) && relatives.length > 0 && (
          <select
            className="jp-mod-styled"
            aria-label={trans.__('Date of %1', entry.name)}
            value={entry.relative ?? ''}
            onChange={event => onChange({ relative: event.target.value || null })}
          >
            <option value="">{trans.__('fixed date')}</option>
            {withPresent(relatives, entry.relative).map(relative => (
              <option key={relative} value={relative}>
                {relativeLabel(relative, trans)}
              </option>
            ))}
          </select>
        )}
        {entry.type === 'str' && relatives.length > 0 && <KindChoice entry={entry} trans={trans} onChange={onChange} />}
        {entry.relative === null && <ValueInput entry={entry} faults={faults} trans={trans} onChange={onChange} />}
        <Faults faults={faults} />
      </td>
    </tr>
  );
}

/** A relative date that this front end does not offer (of a newer gateway) stays chosen. */
function withPresent(relatives: readonly string[], present: string | null): readonly string[] {
  return present === null || relatives.includes(present) ? relatives : [...relatives, present];
}

type ValueInputProps = Pick<IRowProps, 'entry' | 'faults' | 'trans' | 'onChange'>;

function KindChoice({ entry, trans, onChange }: Omit<ValueInputProps, 'faults'>): React.JSX.Element {
  return (
    <select
      className="jp-mod-styled"
      aria-label={trans.__('Kind of %1', entry.name)}
      value={entry.secret === null ? 'text' : 'secret'}
      onChange={event => onChange({ secret: event.target.value === 'secret' ? '' : null })}
    >
      <option value="text">{trans.__('text')}</option>
      <option value="secret">{trans.__('secret')}</option>
    </select>
  );
}

/** The name of a secret: its value is in no form. */
function SecretInput({ entry, faults, trans, onChange }: ValueInputProps): React.JSX.Element {
  return (
    <input
      type="text"
      className="jp-mod-styled jp-Athena-code"
      aria-label={trans.__('Secret of %1', entry.name)}
      aria-invalid={faults.length > 0}
      placeholder={trans.__('NAME, kept with `athena secrets set NAME`')}
      value={entry.secret ?? ''}
      onChange={event => onChange({ secret: event.target.value })}
    />
  );
}

function ValueInput({ entry, faults, trans, onChange }: ValueInputProps): React.JSX.Element {
  const shared = {
    className: 'jp-mod-styled',
    'aria-label': trans.__('Value of %1', entry.name),
    'aria-invalid': faults.length > 0
  };
  if (entry.secret !== null) {
    return <SecretInput entry={entry} faults={faults} trans={trans} onChange={onChange} />;
  }
  if (entry.type === 'bool') {
    return (
      <select {...shared} value={entry.text} onChange={event => onChange({ text: event.target.value })}>
        {entry.text === '' && <option value="" />}
        <option value="true">{trans.__('true')}</option>
        <option value="false">{trans.__('false')}</option>
      </select>
    );
  }
  const types = { date: 'date', datetime: 'datetime-local' } as const;
  const type = entry.type === 'date' || entry.type === 'datetime' ? types[entry.type] : 'text';
  return (
    <input
      {...shared}
      type={type}
      inputMode={entry.type === 'int' ? 'numeric' : entry.type === 'float' ? 'decimal' : undefined}
      placeholder={entry.default === null ? '' : textOf(entry.default, entry.type)}
      value={type === 'datetime-local' ? entry.text.slice(0, 16) : entry.text}
      onChange={event => onChange({ text: event.target.value })}
    />
  );
}
