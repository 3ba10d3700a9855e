/** The small form of "Backfill": runs for fires of the past, counted before they are started. */
import React, { useEffect, useState } from 'react';

import type { JobsModel } from '../../models/jobs.js';
import { formatIn, instantOf } from '../../models/times.js';
import { failureOf } from '../../tokens/failure.js';
import type { IWords } from '../../tokens/names.js';
import type { IBackfillRequest, IFault, IJob } from '../../tokens/wire.js';
import { Faults, TextField } from '../Field.js';

export interface IBackfillFormProps {
  job: IJob;
  model: JobsModel;
  trans: IWords;
  onClose: () => void;
}

const PREVIEW_DELAY_MS = 300;

/** Show the form; it closes once the backfill was accepted. */
export function BackfillForm({ job, model, trans, onClose }: IBackfillFormProps): React.JSX.Element {
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const zone = job.schedule.timezone;
  const body = requestOf(zone, from, to);
  const { runs, faults } = usePreview(job, model, body);
  const start = async () => {
    if (body !== null && (await model.backfill(job.id, body))) {
      onClose();
    }
  };
  return (
    <form
      className="jp-Athena-runForm"
      aria-label={trans.__('Backfill %1', job.name)}
      onSubmit={event => {
        event.preventDefault();
        void start();
      }}
    >
      <TextField label={trans.__('From (%1)', zone)} type="datetime-local" faults={[]} value={from} onChange={setFrom} />
      <TextField label={trans.__('Until (%1)', zone)} type="datetime-local" faults={[]} value={to} onChange={setTo} />
      <Faults faults={faults} />
      <p role="status" className="jp-Athena-hint">
        {runs !== null && summaryOf(runs, zone, trans)}
      </p>
      <div className="jp-Athena-buttons">
        <button type="submit" className="jp-mod-styled jp-mod-accept" disabled={runs === null || runs.length === 0}>
          {trans.__('Start backfill')}
        </button>
        <button type="button" className="jp-mod-styled" onClick={onClose}>
          {trans.__('Close')}
        </button>
      </div>
    </form>
  );
}

function requestOf(zone: string, from: string, to: string): IBackfillRequest | null {
  const [start, end] = [instantOf(zone, from), instantOf(zone, to)];
  return start === null || end === null ? null : { from_at: start, to_at: end };
}

/** Ask which runs a backfill would make, once the typing pauses. */
function usePreview(job: IJob, model: JobsModel, body: IBackfillRequest | null) {
  const [runs, setRuns] = useState<string[] | null>(null);
  const [faults, setFaults] = useState<IFault[]>([]);
  const text = JSON.stringify(body);
  useEffect(() => {
    let isStale = false;
    setRuns(null);
    setFaults([]);
    const asked = JSON.parse(text) as IBackfillRequest | null;
    const ask = async () => {
      try {
        const found = await model.previewBackfill(job.id, asked as IBackfillRequest);
        if (!isStale) {
          setRuns(found);
        }
      } catch (reason) {
        if (!isStale) {
          const failure = failureOf(reason);
          setFaults(failure.faults.length > 0 ? failure.faults : [{ field: '', message: failure.message }]);
        }
      }
    };
    const timer = setTimeout(() => asked && void ask(), PREVIEW_DELAY_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [job.id, model, text]);
  return { runs, faults };
}

function summaryOf(runs: readonly string[], zone: string, trans: IWords): string {
  if (runs.length === 0) {
    return trans.__('No run: nothing fires in this time, or each fire has its run already.');
  }
  const [first, last] = [runs[0], runs[runs.length - 1]].map(run => formatIn(zone, new Date(run)));
  return trans._n('%1 run, of %2', '%1 runs, from %2 to %3', runs.length, first, last);
}
