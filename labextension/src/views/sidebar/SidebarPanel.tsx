/** The Athena sidebar: who answers, every job, its runs, and what can be done with them. */
import { ReactWidget } from '@jupyterlab/ui-components';
import React, { useEffect, useRef } from 'react';

import { type IJobsState, isMatching, type JobsModel } from '../../models/jobs.js';
import { type IWords, SIDEBAR_ID } from '../../tokens/names.js';
import type { IJob } from '../../tokens/wire.js';
import { athenaIcon } from '../icons.js';
import { useModelState } from '../modelState.js';
import { JobItem } from './JobItem.js';

export interface ISidebarProps {
  model: JobsModel;
  trans: IWords;
  onOpenOutput: (runId: string) => void;
  onOpenNotebook: (path: string) => void;
  onOpenVersions: (jobId: string) => void;
  /** Ask before a job is deleted; resolves to whether it may be. */
  onConfirmDelete: (job: IJob) => Promise<boolean>;
}

/** The sidebar as a Lumino widget; it polls only while it shows. */
export class SidebarPanel extends ReactWidget {
  constructor(private readonly props: ISidebarProps) {
    super();
    this.id = SIDEBAR_ID;
    this.addClass('jp-Athena-sidebar');
    this.title.icon = athenaIcon;
    this.title.caption = props.trans.__('Athena: scheduled jobs and their runs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', props.trans.__('Athena jobs'));
  }

  override dispose(): void {
    this.props.model.dispose();
    super.dispose();
  }

  protected override onAfterShow(): void {
    void this.props.model.setVisible(true);
  }

  protected override onAfterHide(): void {
    void this.props.model.setVisible(false);
  }

  protected override render(): React.JSX.Element {
    return <Sidebar {...this.props} />;
  }
}

function Sidebar(props: ISidebarProps): React.JSX.Element {
  const state = useModelState(props.model);
  const { trans } = props;
  const gateway = state.handshake?.gateway;
  return (
    <>
      <header className="jp-Athena-head">
        <h2>{trans.__('Athena')}</h2>
        {gateway && !gateway.is_isolated && (
          <span
            className="jp-Athena-badge jp-Athena-badge-warn"
            title={trans.__('Everything runs as one user of this machine, so nothing protects against that user.')}
          >
            {trans.__('not isolated')}
          </span>
        )}
      </header>
      <Banner state={state} model={props.model} trans={trans} />
      <Removed state={state} model={props.model} trans={trans} />
      {(state.total > 0 || state.search !== '') && (
        <input
          type="search"
          className="jp-mod-styled jp-Athena-search"
          aria-label={trans.__('Search jobs')}
          placeholder={trans.__('Search %1 jobs', state.total)}
          value={state.search}
          onChange={event => props.model.search(event.target.value)}
        />
      )}
      {state.jobs.length > 0 && (
        <ul className="jp-Athena-jobs" aria-label={trans.__('Jobs')}>
          {state.jobs.map(job => (
            <JobItem key={job.id} job={job} runs={state.runs[job.id]} isSelected={state.selected === job.id} {...props} />
          ))}
        </ul>
      )}
      <More state={state} model={props.model} trans={trans} />
      <Empty state={state} trans={trans} />
    </>
  );
}

/** The job that was deleted last, with the way back. */
function Removed({ state, model, trans }: IBannerProps): React.JSX.Element | null {
  return state.deleted === null ? null : (
    <div role="status" className="jp-Athena-toast">
      <span>{trans.__('“%1” is deleted.', state.deleted.name)}</span>
      <button type="button" className="jp-mod-styled" onClick={() => void model.undoRemove()}>
        {trans.__('Undo')}
      </button>
      <button
        type="button"
        className="jp-mod-styled"
        aria-label={trans.__('Keep it deleted')}
        onClick={() => model.forgetRemoved()}
      >
        ×
      </button>
    </div>
  );
}

/** The end of the list: it asks for more jobs when it comes into view. */
function More({ state, model, trans }: IBannerProps): React.JSX.Element | null {
  const end = useRef<HTMLButtonElement>(null);
  const hasMore = state.jobs.length < state.total;
  useEffect(() => {
    if (end.current === null) {
      return;
    }
    const observer = new IntersectionObserver(entries => {
      if (entries.some(entry => entry.isIntersecting)) {
        void model.showMore();
      }
    });
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [model, hasMore, state.jobs.length]);
  return hasMore ? (
    <button ref={end} type="button" className="jp-mod-styled jp-Athena-more" onClick={() => void model.showMore()}>
      {trans.__('%1 of %2 jobs are shown. Show more', state.jobs.length, state.total)}
    </button>
  ) : null;
}

/** What an empty list means, and what to do next. */
function Empty({ state, trans }: Omit<IBannerProps, 'model'>): React.JSX.Element | null {
  if (state.jobs.length > 0 || state.failure !== null) {
    return null;
  }
  const none =
    state.search === ''
      ? trans.__('No jobs yet. Open a notebook and press “Schedule this notebook” in its toolbar.')
      : trans.__('No job has these words.');
  return (
    <p className="jp-Athena-empty" role="status">
      {state.isLoaded ? none : trans.__('Loading…')}
    </p>
  );
}

interface IBannerProps {
  state: IJobsState;
  model: JobsModel;
  trans: IWords;
}

function Banner({ state, model, trans }: IBannerProps): React.JSX.Element {
  const { handshake, failure, refusal } = state;
  const retry = (
    <button type="button" className="jp-mod-styled" onClick={() => void model.poke()}>
      {trans.__('Try again')}
    </button>
  );
  return (
    <>
      {failure && (
        <div role="alert" className="jp-Athena-banner">
          <p>{failure.message}</p>
          {retry}
        </div>
      )}
      {handshake && !isMatching(handshake) && (
        <div role="alert" className="jp-Athena-banner">
          <p>
            {trans.__(
              'This page, Jupyter Server (%1) and the gateway (%2) are of different releases. Restart Athena with `athena up` and reload the page.',
              handshake.labserver,
              handshake.gateway?.version ?? '?'
            )}
          </p>
        </div>
      )}
      {refusal && (
        <div role="alert" className="jp-Athena-banner">
          <p>{refusal.message}</p>
          <button type="button" className="jp-mod-styled" onClick={() => model.dismiss()}>
            {trans.__('Dismiss')}
          </button>
        </div>
      )}
    </>
  );
}
