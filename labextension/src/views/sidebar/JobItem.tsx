/** One job of the sidebar: what it is, when it runs next, how it went last, and its buttons. */
import React, { useEffect, useState } from 'react';

import { graphOfJob } from '../../models/graph.js';
import type { JobsModel } from '../../models/jobs.js';
import { describeTerms } from '../../models/terms.js';
import { formatIn, offsetOf, relativeTo } from '../../models/times.js';
import type { IWords } from '../../tokens/names.js';
import type { IDependencies, IJob, IRunSummary } from '../../tokens/wire.js';
import { DependencyGraph } from '../DependencyGraph.js';
import { BackfillForm } from './BackfillForm.js';
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

/** What is unfolded below a job's buttons. */
type Opened = 'run' | 'backfill' | 'dependencies' | null;

/** Show one job. */
export function JobItem(props: IJobItemProps): React.JSX.Element {
  const { job, runs, model, trans } = props;
  const [open, setOpen] = useState<Opened>(null);
  const toggle = (what: Opened) => setOpen(open === what ? null : what);
  const close = () => setOpen(null);
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
      <JobButtons {...props} open={open} onToggle={toggle} />
      {open === 'run' && <RunForm job={job} model={model} trans={trans} onClose={close} />}
      {open === 'backfill' && <BackfillForm job={job} model={model} trans={trans} onClose={close} />}
      {open === 'dependencies' && <Dependencies job={job} model={model} trans={trans} />}
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
        {job.rehearsed_at === null && <span className="jp-Athena-badge">{trans.__('not rehearsed')}</span>}
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
      <div>{describeTerms(job, trans)}</div>
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

/** Who is before and after the job. */
function Dependencies({ job, model, trans }: Pick<IJobItemProps, 'job' | 'model' | 'trans'>): React.JSX.Element {
  const [found, setFound] = useState<IDependencies | null>(null);
  useEffect(() => {
    void model.dependenciesOf(job.id).then(setFound);
  }, [job.id, job.version, model]);
  if (found === null) {
    return <p className="jp-Athena-hint">{trans.__('Loading…')}</p>;
  }
  return found.edges.length === 0 ? (
    <p className="jp-Athena-hint">{trans.__('No table links this job with another one.')}</p>
  ) : (
    <DependencyGraph graph={graphOfJob(found)} label={trans.__('Dependencies of %1', job.name)} direction="down" />
  );
}

interface IButtonsProps extends IJobItemProps {
  open: Opened;
  onToggle: (what: Opened) => void;
}

function JobButtons(props: IButtonsProps): React.JSX.Element {
  const { job, model, trans } = props;
  const remove = async () => {
    if (await props.onConfirmDelete(job)) {
      await model.remove(job);
    }
  };
  return (
    <div className="jp-Athena-buttons" role="group" aria-label={trans.__('Actions of %1', job.name)}>
      <Toggle {...props} what="run" label={trans.__('Run now')} />
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
      <Toggle {...props} what="dependencies" label={trans.__('Dependencies')} />
      {job.schedule.cron !== null && <Toggle {...props} what="backfill" label={trans.__('Backfill')} />}
      <button type="button" className="jp-mod-styled jp-Athena-delete" onClick={() => void remove()}>
        {trans.__('Delete')}
      </button>
    </div>
  );
}

function Toggle({ open, onToggle, what, label }: IButtonsProps & { what: Opened; label: string }): React.JSX.Element {
  return (
    <button type="button" className="jp-mod-styled" aria-expanded={open === what} onClick={() => onToggle(what)}>
      {label}
    </button>
  );
}
