/** One job of the sidebar: what it is, when it runs next, how it went last, and its buttons. */
import React, { useState } from 'react';

import type { JobsModel } from '../../models/jobs.js';
import { describeSchedule } from '../../models/schedule.js';
import { formatIn, offsetOf, relativeTo } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';
import type { IJob, IRunSummary } from '../../tokens/wire.js';
import { RunForm } from './RunForm.js';
import { runStateLabel } from './labels.js';
import { RunItem } from './RunItem.js';

export interface IJobItemProps {
  job: IJob;
  /** The job's runs if its history is open. */
  runs: IRunSummary[] | undefined;
  isSelected: boolean;
  model: JobsModel;
  trans: IWords;
  onOpenOutput: (runId: string) => void;
  onOpenNotebook: (path: string) => void;
  onOpenVersions: (jobId: string) => void;
  onConfirmDelete: (job: IJob) => Promise<boolean>;
}

/** Show one job. */
export function JobItem(props: IJobItemProps): React.JSX.Element {
  const { job, runs, model, trans } = props;
  const [isFormOpen, setFormOpen] = useState(false);
  const historyId = `athena-runs-${job.id}`;
  return (
    <li className={`jp-Athena-job${props.isSelected ? ' jp-mod-selected' : ''}`} aria-label={job.name}>
      <button
        type="button"
        className="jp-Athena-jobName"
        aria-expanded={runs !== undefined}
        aria-controls={historyId}
        title={trans.__('Show or hide the runs of this job')}
        onClick={() => void model.toggle(job.id)}
      >
        <span aria-hidden="true">{runs ? '▾' : '▸'}</span> {job.name}
      </button>
      <JobFacts job={job} trans={trans} />
      <JobButtons {...props} isFormOpen={isFormOpen} onRun={() => setFormOpen(!isFormOpen)} />
      {isFormOpen && <RunForm job={job} model={model} trans={trans} onClose={() => setFormOpen(false)} />}
      {runs && (
        <ul id={historyId} className="jp-Athena-runs" aria-label={trans.__('Runs of %1', job.name)}>
          {runs.length === 0 && <li className="jp-Athena-hint">{trans.__('No runs yet.')}</li>}
          {runs.map(run => (
            <RunItem
              key={run.id}
              run={run}
              timezone={job.schedule.timezone}
              trans={trans}
              onOpenOutput={props.onOpenOutput}
              onCancel={runId => void model.cancel(runId)}
            />
          ))}
        </ul>
      )}
    </li>
  );
}

function JobFacts({ job, trans }: { job: IJob; trans: IWords }): React.JSX.Element {
  const { last_run: last, next_run_at: next } = job;
  const zone = job.schedule.timezone;
  return (
    <div className="jp-Athena-facts">
      <div>
        <span className={`jp-Athena-badge jp-Athena-badge-${job.state}`}>
          {job.state === 'paused' ? trans.__('paused') : trans.__('active')}
        </span>
        <span className="jp-Athena-badge">v{job.version}</span>
        {job.promotion !== 'visible' && (
          <span className="jp-Athena-badge jp-Athena-badge-warn">
            {job.promotion === 'failed' ? trans.__('not readable by Airflow') : trans.__('waiting for the scheduler')}
          </span>
        )}
        {last && (
          <span className={`jp-Athena-badge jp-Athena-run-${last.state}`} title={last.error ?? undefined}>
            {trans.__('last run: %1', runStateLabel(last.state, trans))}
          </span>
        )}
      </div>
      <div>{describeSchedule(job.schedule, trans)}</div>
      {next && job.state === 'active' && (
        <div>
          {trans.__('Next:')}{' '}
          <time dateTime={next} title={`${formatIn(zone, new Date(next))} ${offsetOf(new Date(next), zone)}`}>
            {formatIn(zone, new Date(next))} ({relativeTo(new Date(), next)})
          </time>
        </div>
      )}
    </div>
  );
}

function JobButtons(props: IJobItemProps & { isFormOpen: boolean; onRun: () => void }): React.JSX.Element {
  const { job, model, trans } = props;
  const remove = async () => {
    if (await props.onConfirmDelete(job)) {
      await model.remove(job);
    }
  };
  return (
    <div className="jp-Athena-buttons" role="group" aria-label={trans.__('Actions of %1', job.name)}>
      <button type="button" className="jp-mod-styled" aria-expanded={props.isFormOpen} onClick={props.onRun}>
        {trans.__('Run now')}
      </button>
      {job.state === 'paused' ? (
        <button type="button" className="jp-mod-styled" onClick={() => void model.resume(job.id)}>
          {trans.__('Resume')}
        </button>
      ) : (
        <button type="button" className="jp-mod-styled" onClick={() => void model.pause(job.id)}>
          {trans.__('Pause')}
        </button>
      )}
      <button
        type="button"
        className="jp-mod-styled"
        title={job.source.path}
        onClick={() => props.onOpenNotebook(job.source.path)}
      >
        {trans.__('Notebook')}
      </button>
      <button type="button" className="jp-mod-styled" onClick={() => props.onOpenVersions(job.id)}>
        {trans.__('Versions')}
      </button>
      <button type="button" className="jp-mod-styled jp-Athena-delete" onClick={() => void remove()}>
        {trans.__('Delete')}
      </button>
    </div>
  );
}
