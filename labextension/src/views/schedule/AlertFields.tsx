/** Who is told of what: alerts on failure, on lateness, on a condition over a written table. */
import React from 'react';

import { type IAlertEntry, newAlert, OPERATORS } from '../../models/terms.js';
import type { IWords } from '../../tokens/names.js';
import type { AlertChannel, AlertOn, IFault } from '../../tokens/wire.js';
import { Faults } from '../Field.js';

export interface IAlertFieldsProps {
  alerts: readonly IAlertEntry[];
  /** Tables that the job writes, offered for conditions. */
  tables: readonly string[];
  faults: readonly IFault[];
  trans: IWords;
  onChange: (alerts: IAlertEntry[]) => void;
}

/** Show the alerts as rows, each with its faults. */
export function AlertFields({ alerts, tables, faults, trans, onChange }: IAlertFieldsProps): React.JSX.Element {
  const replace = (at: number, change: Partial<IAlertEntry>) =>
    onChange(alerts.map((alert, index) => (index === at ? { ...alert, ...change } : alert)));
  return (
    <div>
      {alerts.length === 0 && <p className="jp-Athena-hint">{trans.__('Nobody is told when a run fails or is late.')}</p>}
      <ul className="jp-Athena-alerts" aria-label={trans.__('Alerts')}>
        {alerts.map((alert, index) => (
          <li key={index} aria-label={trans.__('Alert %1', index + 1)}>
            <AlertRow alert={alert} tables={tables} trans={trans} onChange={change => replace(index, change)} />
            <button
              type="button"
              className="jp-mod-styled"
              aria-label={trans.__('Remove alert %1', index + 1)}
              onClick={() => onChange(alerts.filter((_, other) => other !== index))}
            >
              {trans.__('Remove')}
            </button>
            <Faults faults={faults.filter(fault => fault.field.startsWith(`alerts.${index}`))} />
          </li>
        ))}
      </ul>
      <button type="button" className="jp-mod-styled" onClick={() => onChange([...alerts, newAlert()])}>
        {trans.__('Add an alert')}
      </button>
    </div>
  );
}

interface IRowProps {
  alert: IAlertEntry;
  tables: readonly string[];
  trans: IWords;
  onChange: (change: Partial<IAlertEntry>) => void;
}

function AlertRow({ alert, tables, trans, onChange }: IRowProps): React.JSX.Element {
  const events: [AlertOn, string][] = [
    ['failure', trans.__('when a run fails')],
    ['late', trans.__('when a run is late')],
    ['condition', trans.__('when a table has')]
  ];
  const channels: [AlertChannel, string][] = [
    ['mail', trans.__('mail to')],
    ['slack', trans.__('Slack, secret')],
    ['webhook', trans.__('webhook, secret')]
  ];
  const isMail = alert.channel === 'mail';
  return (
    <span className="jp-Athena-alert">
      <Choice label={trans.__('When')} value={alert.on} choices={events} onChange={on => onChange({ on })} />
      {alert.on === 'condition' && <Condition alert={alert} tables={tables} trans={trans} onChange={onChange} />}
      <Choice label={trans.__('How')} value={alert.channel} choices={channels} onChange={channel => onChange({ channel })} />
      <input
        type="text"
        className="jp-mod-styled"
        aria-label={isMail ? trans.__('Mail address') : trans.__('Name of the secret that holds the URL')}
        placeholder={isMail ? trans.__('name@company.example') : trans.__('name of a secret')}
        value={alert.target}
        onChange={event => onChange({ target: event.target.value })}
      />
    </span>
  );
}

function Condition({ alert, tables, trans, onChange }: IRowProps): React.JSX.Element {
  const operators = OPERATORS.map((operator): [string, string] => [operator, operator]);
  const offered = tables.includes(alert.table) || alert.table === '' ? tables : [alert.table, ...tables];
  const choices = ['', ...offered].map((table): [string, string] => [table, table || trans.__('(table)')]);
  return (
    <>
      <Choice label={trans.__('Table')} value={alert.table} choices={choices} onChange={table => onChange({ table })} />
      <Choice
        label={trans.__('Comparison')}
        value={alert.operator}
        choices={operators}
        onChange={operator => onChange({ operator })}
      />
      <input
        type="text"
        inputMode="numeric"
        className="jp-mod-styled jp-Athena-count"
        aria-label={trans.__('Rows')}
        value={alert.rows}
        onChange={event => onChange({ rows: event.target.value })}
      />
      {trans.__('rows')}
    </>
  );
}

interface IChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: readonly [T, string][];
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, value, choices, onChange }: IChoiceProps<T>): React.JSX.Element {
  return (
    <select
      aria-label={label}
      className="jp-mod-styled"
      value={value}
      onChange={event => onChange(event.target.value as T)}
    >
      {choices.map(([choice, text]) => (
        <option key={choice} value={choice}>
          {text}
        </option>
      ))}
    </select>
  );
}
