/** Where the results of a job go, and who owns it. */
import React, { useEffect, useState } from 'react';

import { formatCount } from '../../models/figures.js';
import type { IPromotionState, PromotionModel } from '../../models/promotion.js';
import { failureOf } from '../../tokens/failure.js';
import type { IWords } from '../../tokens/names.js';
import type { ICatalogTable } from '../../tokens/warehouse.js';
import { Section } from './Section.js';

export interface IResultSectionProps {
  model: PromotionModel;
  state: IPromotionState;
  trans: IWords;
}

/** What the catalog was asked, and what it answered: by table, null where it knows none; a text if it refused. */
type Known = Map<string, ICatalogTable | null> | string | null;

/** Show the tables that the job writes, as the catalog has them now, and where its output notebooks are. */
export function ResultSection({ model, state, trans }: IResultSectionProps): React.JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const [known, setKnown] = useState<Known>(null);
  const writes = writtenBy(state);
  const key = writes.join('\n');
  useEffect(() => {
    const names = key.split('\n').filter(Boolean);
    if (isOpen && names.length > 0) {
      model.findTables(names).then(
        found => setKnown(new Map(names.map((name, index) => [name, found[index]]))),
        (reason: unknown) => setKnown(failureOf(reason).message)
      );
    }
  }, [isOpen, key, model]);
  const summary = writes.length > 0 ? writes.join(', ') : trans.__('its output notebooks');
  return (
    <Section title={trans.__('Where results go')} summary={summary} onOpen={() => setOpen(true)} trans={trans}>
      {writes.length > 0 && (
        <ul className="jp-Athena-files" aria-label={trans.__('Tables that get results')}>
          {writes.map(name => (
            <li key={name}>
              <code>{name}</code> <span className="jp-Athena-hint">{factsOf(name, known, trans)}</span>
            </li>
          ))}
        </ul>
      )}
      {typeof known === 'string' && <p className="jp-Athena-error">{known}</p>}
      <p className="jp-Athena-hint">
        {trans.__(
          'Every run keeps a copy of the notebook with its outputs: open it beside the run in the Athena sidebar. %1 itself stays as it is.',
          state.bundle?.source.path ?? ''
        )}
      </p>
    </Section>
  );
}

function writtenBy({ form, bundle }: IPromotionState): string[] {
  const { writes } = form.terms.tables ?? bundle?.lineage ?? { writes: [] };
  return writes.map(name => name.trim()).filter(Boolean);
}

function factsOf(name: string, known: Known, trans: IWords): string {
  if (known === null || typeof known === 'string' || !known.has(name)) {
    return '';
  }
  if (name.split('.').length > 2) {
    return trans.__('of another project; not looked up');
  }
  const table = known.get(name);
  if (!table) {
    return trans.__('is not there, or not to be seen by you; a run makes it if you may');
  }
  const owner = table.owner === null ? trans.__('no owner is named') : trans.__('owner: %1', table.owner);
  const kind = table.rows === null ? trans.__('a view') : trans._n('%2 row', '%2 rows', table.rows, formatCount(table.rows));
  return trans.__('%1, %2', kind, owner);
}

/** Show whose job it is, or becomes. */
export function OwnerSection({ state, trans }: Omit<IResultSectionProps, 'model'>): React.JSX.Element {
  const { job, user } = state;
  const owner = job?.owner ?? user ?? '';
  return (
    <Section title={trans.__('Owner')} summary={owner} trans={trans}>
      <p>
        {job === null
          ? trans.__('The job is going to be owned by %1, who deploys it.', owner)
          : trans.__('The job belongs to %1, in the team %2; its next version does too.', owner, job.team)}
      </p>
      {job !== null && user !== null && job.owner !== user && (
        <p role="note" className="jp-Athena-warning">
          {trans.__('You are %1: only %2 may deploy its next version.', user, owner)}
        </p>
      )}
      <p className="jp-Athena-hint">
        {trans.__(
          'Its runs read and write what %1 may, whoever starts them. To hand it over: athena jobs transfer %2 USER; it arrives paused.',
          owner,
          job?.id ?? trans.__('JOB')
        )}
      </p>
    </Section>
  );
}
