/** The small form of "Run now": the job's parameters, editable for this run only. */
import React, { useState } from 'react';

import type { JobsModel } from '../../models/jobs.js';
import { entryOf, type IEntry, overridesOf } from '../../models/parameters.js';
import type { IWords } from '../../tokens/names.js';
import type { IFault, IJob } from '../../tokens/wire.js';
import { ParameterTable } from '../ParameterTable.js';

export interface IRunFormProps {
  job: IJob;
  model: JobsModel;
  trans: IWords;
  onClose: () => void;
}

/** Show the form; it closes once the run was accepted. */
export function RunForm({ job, model, trans, onClose }: IRunFormProps): React.JSX.Element {
  const [entries, setEntries] = useState(() => job.parameters.map(parameter => entryOf(parameter)));
  const [isSending, setSending] = useState(false);
  const [faults, setFaults] = useState<readonly IFault[]>([]);
  const start = async () => {
    setSending(true);
    const found = await startRun(job, entries, model, trans);
    setSending(false);
    setFaults(found ?? []);
    if (found === null) {
      onClose();
    }
  };
  return (
    <form
      className="jp-Athena-runForm"
      aria-label={trans.__('Run %1 now', job.name)}
      onSubmit={event => {
        event.preventDefault();
        void start();
      }}
    >
      {entries.length > 0 ? (
        <ParameterTable
          entries={entries}
          faults={faults}
          relativesOf={name => ownRelatives(job, name)}
          trans={trans}
          onChange={setEntries}
        />
      ) : (
        <p className="jp-Athena-hint">{trans.__('This job has no parameters.')}</p>
      )}
      <div className="jp-Athena-buttons">
        <button type="submit" className="jp-mod-styled jp-mod-accept" disabled={isSending}>
          {trans.__('Start run')}
        </button>
        <button type="button" className="jp-mod-styled" onClick={onClose}>
          {trans.__('Close')}
        </button>
      </div>
    </form>
  );
}

/** Start a run with what the form changed; null once it was accepted, else the faults. */
async function startRun(
  job: IJob,
  entries: readonly IEntry[],
  model: JobsModel,
  trans: IWords
): Promise<readonly IFault[] | null> {
  const overrides = overridesOf(entries, job.parameters, trans);
  if (overrides.faults.length > 0) {
    return overrides.faults;
  }
  return (await model.runNow(job.id, overrides.values)) ? null : (model.state.refusal?.faults ?? []);
}

/** A run by hand may keep the job's own relative date; another one would have nothing to hang on in the request. */
function ownRelatives(job: IJob, name: string): string[] {
  const relative = job.parameters.find(parameter => parameter.name === name)?.relative;
  return relative ? [relative] : [];
}
