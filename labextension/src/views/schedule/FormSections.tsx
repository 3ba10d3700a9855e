/** The form's sections: when the job runs, with what, within which limits, and who is told. */
import React from 'react';

import { describeSchedule, scheduleOf } from '../../models/schedule.js';
import type { IPromotionState, PromotionModel } from '../../models/promotion.js';
import type { ITermsForm } from '../../models/terms.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault } from '../../tokens/wire.js';
import { Faults, TextField } from '../Field.js';
import { ParameterTable } from '../ParameterTable.js';
import { AfterFields } from './AfterFields.js';
import { AlertFields } from './AlertFields.js';
import { BoundFields } from './BoundFields.js';
import { LimitFields } from './LimitFields.js';
import { NextRuns } from './NextRuns.js';
import { faultsAt, PlanFields } from './PlanFields.js';
import { OwnerSection, ResultSection } from './ResultSections.js';
import { Section } from './Section.js';
import { summaryOf, WhatFields } from './WhatFields.js';

export interface IPartProps {
  model: PromotionModel;
  state: IPromotionState;
  trans: IWords;
}

/** Show the sections, with the next runs beside them. */
export function FormSections({ model, state, trans }: IPartProps): React.JSX.Element {
  const { form, faults } = state;
  return (
    <div className="jp-Athena-columns">
      <fieldset disabled={state.phase === 'deploying'}>
        <TextField
          label={trans.__('Name')}
          faults={faultsAt(faults, ['name', 'job_id'])}
          value={form.name}
          onChange={name => model.edit({ name })}
        />
        <What model={model} state={state} trans={trans} />
        <When model={model} state={state} trans={trans} />
        <After model={model} state={state} trans={trans} />
        <Parameters model={model} state={state} trans={trans} />
        <Limits model={model} state={state} trans={trans} />
        <Alerts model={model} state={state} trans={trans} />
        <ResultSection model={model} state={state} trans={trans} />
        <OwnerSection state={state} trans={trans} />
        <TextField
          label={trans.__('What changed (optional)')}
          faults={faultsAt(faults, ['message'])}
          value={form.message}
          onChange={message => model.edit({ message })}
        />
        <Live state={state} trans={trans} />
      </fieldset>
      <NextRuns state={state} trans={trans} />
    </div>
  );
}

function What({ model, state, trans }: IPartProps): React.JSX.Element | null {
  const { bundle, faults, form, isDrafting } = state;
  return bundle === null ? null : (
    <Section
      title={trans.__('What runs')}
      summary={isDrafting ? trans.__('Reading…') : summaryOf(bundle, trans)}
      faultCount={count(faults, WHAT)}
      isOpen={bundle.slice.length > 0 || bundle.kind === 'sql'}
      trans={trans}
    >
      <WhatFields
        bundle={bundle}
        content={form.content}
        warnings={warningsOf(state, true)}
        faults={faults}
        trans={trans}
        onChange={patch => model.editContent(patch)}
      />
    </Section>
  );
}

/** The check's warnings of the environment, or all others: those of tables and of waiting. */
function warningsOf(state: IPartProps['state'], areOfEnvironment: boolean): readonly IFault[] {
  return (state.check?.warnings ?? []).filter(one => (one.field === 'environment') === areOfEnvironment);
}

function When({ model, state, trans }: IPartProps): React.JSX.Element {
  const { form, faults } = state;
  const edit = (plan: typeof form.plan) => model.edit({ plan });
  const isTimed = form.terms.waits.mode !== 'updates';
  return (
    <Section
      title={trans.__('When')}
      summary={isTimed ? describeSchedule(scheduleOf(form.plan), trans) : trans.__('when its tables were updated')}
      faultCount={count(faults, ['schedule', 'cron', 'timezone'])}
      isOpen
      trans={trans}
    >
      {isTimed ? (
        <PlanFields plan={form.plan} faults={faults} trans={trans} onChange={edit} />
      ) : (
        <p className="jp-Athena-hint">{trans.__('Updates of its tables start it; see “After what”.')}</p>
      )}
      {isTimed && form.plan.preset !== 'manual' && (
        <BoundFields plan={form.plan} faults={faults} trans={trans} onChange={edit} />
      )}
    </Section>
  );
}

function After({ model, state, trans }: IPartProps): React.JSX.Element | null {
  const { bundle, check, faults, form } = state;
  if (bundle === null) {
    return null;
  }
  const writers = (check?.upstreams ?? []).filter(upstream => upstream.job_id !== null);
  const names = [...new Set(writers.map(upstream => upstream.job_name ?? ''))].join(', ');
  const isWaiting = form.terms.waits.mode !== 'time';
  return (
    <Section
      title={trans.__('After what')}
      summary={summaryOfWriters(names, isWaiting, trans)}
      faultCount={count(faults, AFTER)}
      isOpen={isWaiting || names !== ''}
      trans={trans}
    >
      <AfterFields
        name={form.name}
        waits={form.terms.waits}
        tables={form.terms.tables}
        lineage={bundle.lineage}
        upstreams={check?.upstreams ?? []}
        warnings={warningsOf(state, false)}
        faults={faults}
        trans={trans}
        onWaits={waits => editTerms(model, state, { waits })}
        onTables={tables => editTerms(model, state, { tables })}
      />
    </Section>
  );
}

function summaryOfWriters(names: string, isWaiting: boolean, trans: IWords): string {
  if (names === '') {
    return '';
  }
  return isWaiting ? trans.__('waits for %1', names) : trans.__('reads what %1 writes', names);
}

function Parameters({ model, state, trans }: IPartProps): React.JSX.Element {
  const { entries } = state.form;
  return (
    <Section
      title={trans.__('Parameters')}
      summary={entries.map(entry => entry.name).join(', ')}
      faultCount={count(state.faults, ['parameters'])}
      isOpen
      trans={trans}
    >
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
    </Section>
  );
}

function Limits({ model, state, trans }: IPartProps): React.JSX.Element {
  const { terms } = state.form;
  const { retries, timeout } = terms.limits;
  return (
    <Section
      title={trans.__('Guard rails')}
      summary={trans.__('retries: %1, a run may take %2', retries, timeout)}
      faultCount={count(state.faults, LIMITS)}
      trans={trans}
    >
      <LimitFields
        limits={terms.limits}
        faults={state.faults}
        trans={trans}
        onChange={limits => editTerms(model, state, { limits })}
      />
    </Section>
  );
}

function Alerts({ model, state, trans }: IPartProps): React.JSX.Element {
  const { terms } = state.form;
  return (
    <Section
      title={trans.__('Alerts')}
      summary={terms.alerts.length === 0 ? trans.__('none') : String(terms.alerts.length)}
      faultCount={count(state.faults, ['alerts'])}
      trans={trans}
    >
      <AlertFields
        alerts={terms.alerts}
        tables={terms.tables?.writes ?? state.bundle?.lineage.writes ?? []}
        faults={state.faults}
        trans={trans}
        onChange={alerts => editTerms(model, state, { alerts })}
      />
    </Section>
  );
}

/** Take an edit of the terms. */
function editTerms(model: PromotionModel, state: IPromotionState, change: Partial<ITermsForm>): void {
  model.edit({ terms: { ...state.form.terms, ...change } });
}

/** What belongs to no field, announced as it comes and goes: other faults, failures, warnings of the bundle. */
function Live({ state, trans }: Omit<IPartProps, 'model'>): React.JSX.Element {
  const { form, faults, failure, bundle } = state;
  return (
    <div aria-live="polite" className="jp-Athena-live">
      <Faults faults={faults.filter(fault => !hasField(fault, form.entries))} />
      {failure && failure.faults.length === 0 && <p className="jp-Athena-error">{failure.message}</p>}
      {faults.length > 0 && (
        <p className="jp-Athena-hint">{trans._n('%1 fault to mend.', '%1 faults to mend.', faults.length)}</p>
      )}
      {bundle?.warnings.map(warning => (
        <p key={warning} className="jp-Athena-warning">
          {warning}
        </p>
      ))}
    </div>
  );
}

const WHAT = ['kept_cells', 'destination', 'files', 'globs', 'environment', 'lock'];
const AFTER = ['after', 'tables'];
const LIMITS = ['retries', 'timeout_s', 'guards'];
const FIELDS = new Set([
  ...['name', 'job_id', 'message', 'cron', 'timezone', 'retries', 'timeout_s'],
  ...['', '.cron', '.timezone', '.start', '.end', '.missed'].map(part => `schedule${part}`),
  ...['retry_delay_s', 'cell_timeout_s', 'overlap', 'run_bytes', 'month_bytes'].map(part => `guards.${part}`)
]);

/** Count the faults whose field is one of these, or a part of one. */
function count(faults: readonly IFault[], heads: readonly string[]): number {
  return faults.filter(fault => heads.includes(fault.field.split('.')[0])).length;
}

/** Whether a fault is shown beside a field of this form; the others are shown at its foot. */
function hasField(fault: IFault, entries: readonly { name: string }[]): boolean {
  const [head, name] = fault.field.split(/[.[\]]+/).filter(Boolean);
  const isParameter = head === 'parameters' && entries.some(entry => entry.name === name);
  return FIELDS.has(fault.field) || isParameter || head === 'alerts' || [...WHAT, ...AFTER].includes(head);
}
