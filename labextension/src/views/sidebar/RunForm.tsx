/** The small form of "Run now": the job's parameters, editable for this run only. */
import React, { useState } from 'react';

import type { JobsModel } from '../../models/jobs.js';
import { entryOf, overridesOf } from '../../models/parameters.js';
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
  const [faults, setFaults] = useState<readonly IFault[]>([]);
  const [isSending, setSending] = useState(false);
  const start = async () => {
    const overrides = overridesOf(entries, job.parameters, trans);
    setFaults(overrides.faults);
    if (overrides.faults.length > 0) {
      return;
    }
    setSending(true);
    const isAccepted = await model.runNow(job.id, overrides.values);
    setSending(false);
    if (isAccepted) {
      onClose();
    } else {
      setFaults(model.state.refusal?.faults ?? []);
    }
  };
  const ownRelatives = (name: string) => {
    const relative = job.parameters.find(parameter => parameter.name === name)?.relative;
    return relative ? [relative] : [];
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
          relativesOf={ownRelatives}
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
