/** What a rehearsal did so far: its cells with their times, what it billed, the tables it wrote, what was refused. */
import React from 'react';

import { formatDuration } from '../../models/figures.js';
import { billOf, cellLabel, columnChangesOf, elapsedOfCell, isNew, rowsOf, withheldOf } from '../../models/rehearsed.js';
import type { IWords } from '../../tokens/names.js';
import type { ICellRun, IRehearsal } from '../../tokens/rehearsals.js';
import type { ICellSummary, IForecast } from '../../tokens/wire.js';
import { useTime } from '../time.js';

export interface IRehearsalReportProps {
  rehearsal: IRehearsal;
  cells: readonly ICellSummary[];
  /** When it was asked for, by this machine's clock. */
  since: number;
  forecast: IForecast | null;
  trans: IWords;
}

/** Show the report; each part appears once there is something to say. */
export function RehearsalReport(props: IRehearsalReportProps): React.JSX.Element {
  const { rehearsal, forecast, trans } = props;
  const bill = billOf(rehearsal, forecast, trans);
  return (
    <div className="jp-Athena-report">
      {rehearsal.error && <pre className="jp-Athena-error">{rehearsal.error}</pre>}
      <Refusals {...props} />
      <Missed {...props} />
      <Cells {...props} />
      {bill && <p>{bill}</p>}
      <Tables {...props} />
    </div>
  );
}

function Cells({ rehearsal, cells, since, trans }: IRehearsalReportProps): React.JSX.Element | null {
  const { preparation } = rehearsal;
  if (preparation === null && rehearsal.cells.length === 0) {
    return null;
  }
  const textOf = (index: number) => cells.find(cell => cell.index === index)?.first_line ?? '';
  return (
    <div className="jp-Athena-reportCells">
      <table aria-label={trans.__('Cells of the rehearsal')}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Cell')}</th>
            <th scope="col">{trans.__('First line')}</th>
            <th scope="col">{trans.__('State')}</th>
            <th scope="col">{trans.__('Time')}</th>
          </tr>
        </thead>
        <tbody>
          {preparation && (
            <CellRow cell={preparation} rehearsal={rehearsal} since={since} trans={trans} number="">
              {trans.__('Copies of the tables it writes')}
            </CellRow>
          )}
          {rehearsal.cells.map(cell => (
            <CellRow
              key={cell.index}
              cell={cell}
              rehearsal={rehearsal}
              since={since}
              trans={trans}
              number={String(cell.index + 1)}
            >
              <code>{textOf(cell.index)}</code>
            </CellRow>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ICellRowProps {
  cell: ICellRun;
  rehearsal: IRehearsal;
  since: number;
  number: string;
  trans: IWords;
  children: React.ReactNode;
}

function CellRow({ cell, rehearsal, since, number, trans, children }: ICellRowProps): React.JSX.Element {
  const isRunning = cell.state === 'running' && rehearsal.ended_at === null;
  const now = useTime(isRunning);
  const time = elapsedOfCell(cell, rehearsal, since, now);
  return (
    <tr data-state={cell.state}>
      <td className="jp-Athena-cellNumber">{number}</td>
      <td>
        {children}
        {cell.error && !rehearsal.error?.includes(cell.error) && <pre className="jp-Athena-error">{cell.error}</pre>}
      </td>
      <td>
        <span className={`jp-Athena-badge jp-Athena-run-${cell.state}`}>{cellLabel(cell, rehearsal, trans)}</span>
      </td>
      <td className="jp-Athena-figure">{time === null ? '' : formatDuration(time)}</td>
    </tr>
  );
}

function Tables({ rehearsal, trans }: IRehearsalReportProps): React.JSX.Element {
  if (rehearsal.tables.length === 0) {
    return <p className="jp-Athena-hint">{trans.__('It writes no table that is known.')}</p>;
  }
  return (
    <table aria-label={trans.__('Tables that the rehearsal wrote')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('Table')}</th>
          <th scope="col">{trans.__('Scratch table, kept for a day')}</th>
          <th scope="col">{trans.__('Rows')}</th>
          <th scope="col">{trans.__('Columns')}</th>
        </tr>
      </thead>
      <tbody>
        {rehearsal.tables.map(table => (
          <tr key={table.table}>
            <td>
              <code>{table.table}</code>{' '}
              {isNew(table) && <span className="jp-Athena-badge">{trans.__('new table')}</span>}
              {table.withheld && <p className="jp-Athena-hint">{withheldOf(table, trans)}</p>}
            </td>
            <td>
              <code>{table.scratch}</code>
            </td>
            <td className="jp-Athena-figure">{rowsOf(table, rehearsal, trans)}</td>
            <td>
              {columnChangesOf(table, trans).map(change => (
                <div key={change}>{change}</div>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Refusals({ rehearsal, trans }: IRehearsalReportProps): React.JSX.Element | null {
  const { refused } = rehearsal;
  return refused.length === 0 ? null : (
    <div role="note" className="jp-Athena-warning">
      <p>{trans._n('%1 write was refused:', '%1 writes were refused:', refused.length)}</p>
      <ul aria-label={trans.__('Refused writes')}>
        {refused.map(({ cell, text }, index) => (
          <li key={index}>{cell === null ? text : trans.__('Cell %1: %2', cell + 1, text)}</li>
        ))}
      </ul>
      <p className="jp-Athena-hint">
        {trans.__(
          'A rehearsal changes nothing but its scratch dataset. To rehearse such a write too, write the table as dataset.table in the code, or name it under “Tables that it writes”. Once deployed, the job makes it as it stands.'
        )}
      </p>
    </div>
  );
}

function Missed({ rehearsal, trans }: IRehearsalReportProps): React.JSX.Element | null {
  const { missed } = rehearsal;
  return missed.length === 0 ? null : (
    <div role="note" className="jp-Athena-warning">
      <p>{trans.__('This names a written table and could not be changed: it reads the table itself, and what it writes is refused.')}</p>
      <ul aria-label={trans.__('Names that were not redirected')}>
        {missed.map(({ cell, text }, index) => (
          <li key={index}>{cell === null ? text : trans.__('Cell %1: %2', cell + 1, text)}</li>
        ))}
      </ul>
    </div>
  );
}
