/** The next ten runs in the job's zone, with the offset from UTC and marks where the clocks change; and the cost. */
import React from 'react';

import { formatBytes } from '../../models/figures.js';
import type { IPromotionState } from '../../models/promotion.js';
import { momentsIn } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';
import type { IForecast, IRunMark } from '../../tokens/wire.js';

export interface INextRunsProps {
  state: IPromotionState;
  trans: IWords;
}

/** Show the preview. */
export function NextRuns({ state, trans }: INextRunsProps): React.JSX.Element {
  const { check, form } = state;
  return (
    <section className="jp-Athena-next" aria-label={trans.__('Preview')}>
      <h3>{trans.__('Next runs')}</h3>
      <Runs state={state} trans={trans} />
      {(check?.made_up ?? 0) > 0 && (
        <p className="jp-Athena-warning">
          {trans._n('%1 missed run is made up for at once.', '%1 missed runs are made up for at once.', check?.made_up ?? 0)}
        </p>
      )}
      {check?.forecast && <Cost forecast={check.forecast} isTimed={form.terms.waits.mode !== 'updates'} trans={trans} />}
    </section>
  );
}

function Runs({ state, trans }: INextRunsProps): React.JSX.Element {
  const { form, check } = state;
  const runs = check?.next_runs ?? [];
  if (form.terms.waits.mode === 'updates') {
    return <p>{trans.__('This job runs each time that all of its tables were updated.')}</p>;
  }
  if (form.plan.preset === 'manual') {
    return <p>{trans.__('This job runs only when somebody presses “Run now” in the Athena sidebar.')}</p>;
  }
  if (runs.length === 0) {
    return <p>{trans.__('Shown as soon as the form has no faults.')}</p>;
  }
  return (
    <ol aria-label={trans.__('Next runs')}>
      {momentsIn(form.plan.timezone, runs.slice(0, 10)).map(moment => (
        <li key={moment.iso}>
          <time dateTime={moment.iso}>{moment.text}</time> <span className="jp-Athena-offset">{moment.offset}</span>
          {moment.isShifted && <span className="jp-Athena-badge">{trans.__('clocks change')}</span>}
          {markOf(moment.iso, check?.marks ?? [], trans)}
        </li>
      ))}
    </ol>
  );
}

function markOf(iso: string, marks: readonly IRunMark[], trans: IWords): React.JSX.Element | null {
  const mark = marks.find(one => Date.parse(one.run) === Date.parse(iso));
  if (mark === undefined) {
    return null;
  }
  const text = mark.kind === 'moved' ? trans.__('moved: the clocks skip its time') : trans.__('its time comes twice');
  return <span className="jp-Athena-badge jp-Athena-badge-warn">{text}</span>;
}

function Cost({ forecast, isTimed, trans }: { forecast: IForecast; isTimed: boolean; trans: IWords }): React.JSX.Element {
  const { currency, fires, month_bytes: bytes, month_cost: cost, run_bytes: once, unestimated } = forecast;
  if (forecast.is_pending) {
    return <p className="jp-Athena-hint">{trans.__('The cost is being estimated…')}</p>;
  }
  const money = new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(cost);
  return (
    <div role="note" className="jp-Athena-cost">
      <h3>{trans.__('Cost')}</h3>
      <p>{trans.__('A run reads about %1.', formatBytes(once))}</p>
      {isTimed && <p>{trans.__('In the next 30 days: %1 runs, %2, about %3.', fires, formatBytes(bytes), money)}</p>}
      {unestimated.map(one => (
        <p key={one.cell} className="jp-Athena-hint">
          {trans.__('Without cell %1: %2', one.cell + 1, one.why)}
        </p>
      ))}
    </div>
  );
}
