/** The jobs and runs that the sidebar shows, kept fresh by polling: quickly while something moves, slowly else. */
import { Poll } from '@lumino/polling';

import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import {
  API_VERSION,
  type IBackfillRequest,
  type IDependencies,
  type IHandshake,
  type IJob,
  type IRunSummary,
  isFinal,
  type Json
} from '../tokens/wire.js';
import { StatefulModel } from './stateful.js';

export const ACTIVE_MS = 1000;
export const IDLE_MS = 10_000;
const RUNS_SHOWN = 10;
/** How many more jobs are shown at a time. */
export const PAGE = 50;
const MOST = 500;
const MOST_LETTERS = 200;
const SEARCH_DELAY_MS = 250;

export interface IJobsState {
  isLoaded: boolean;
  /** The jobs that are shown: the first `shown` of those found, and the selected one. */
  jobs: IJob[];
  /** How many were found. */
  total: number;
  search: string;
  /** How many are asked for; more once the end of the list comes into view. */
  shown: number;
  /** The job that was deleted last, while its deletion can be undone here. */
  deleted: IJob | null;
  /** Runs of the jobs whose history is open, by job. */
  runs: { [jobId: string]: IRunSummary[] };
  handshake: IHandshake | null;
  /** Why the list is not fresh: the gateway does not answer, or speaks another API. */
  failure: Failure | null;
  /** What the last button pressed could not do. */
  refusal: Failure | null;
  selected: string | null;
}

export class JobsModel extends StatefulModel<IJobsState> {
  constructor(private readonly api: IAthenaApi) {
    super({
      isLoaded: false,
      jobs: [],
      total: 0,
      search: '',
      shown: PAGE,
      deleted: null,
      runs: {},
      handshake: null,
      failure: null,
      refusal: null,
      selected: null
    });
    this._poll = new Poll({
      auto: false,
      name: 'athena:jobs',
      factory: () => this.refresh(),
      frequency: { interval: IDLE_MS, backoff: false, max: IDLE_MS },
      standby: 'when-hidden'
    });
  }

  override dispose(): void {
    clearTimeout(this._timer);
    this._poll.dispose();
    super.dispose();
  }

  /** Start polling when the sidebar shows, stop when it is hidden. */
  async setVisible(isVisible: boolean): Promise<void> {
    this._isVisible = isVisible;
    await (isVisible ? this._poll.refresh() : this._poll.stop());
  }

  /** Ask again at once. */
  async poke(): Promise<void> {
    if (!this.isDisposed) {
      await (this._isVisible ? this._poll.refresh() : this.refresh());
    }
  }

  /** Open or close a job's history. */
  async toggle(jobId: string): Promise<void> {
    const { [jobId]: open, ...others } = this._state.runs;
    this.set({ runs: open ? others : { ...others, [jobId]: [] }, selected: open ? null : jobId });
    await this.poke();
  }

  /** Show one job with its history open. */
  async reveal(jobId: string): Promise<void> {
    this.set({ runs: { ...this._state.runs, [jobId]: this._state.runs[jobId] ?? [] }, selected: jobId });
    await this.poke();
  }

  /** Show the job of a run with its history open; a run that is not to be shown is said. */
  async revealRun(runId: string): Promise<void> {
    try {
      await this.reveal((await this.api.getRun(runId)).job_id);
    } catch (reason) {
      this.set({ refusal: failureOf(reason) });
    }
  }

  async runNow(jobId: string, parameters: { [name: string]: Json }): Promise<boolean> {
    const isDone = await this.act(() => this.api.runJob(jobId, { parameters }));
    if (isDone) {
      await this.reveal(jobId);
    }
    return isDone;
  }

  /** Who is before and after a job; null where that is refused, which is shown. */
  async dependenciesOf(jobId: string): Promise<IDependencies | null> {
    try {
      return await this.api.getDependencies(jobId);
    } catch (reason) {
      this.set({ refusal: failureOf(reason) });
      return null;
    }
  }

  async previewBackfill(jobId: string, body: IBackfillRequest): Promise<string[]> {
    return (await this.api.previewBackfill(jobId, body)).runs;
  }

  async backfill(jobId: string, body: IBackfillRequest): Promise<boolean> {
    const isDone = await this.act(() => this.api.backfill(jobId, body));
    if (isDone) {
      await this.reveal(jobId);
    }
    return isDone;
  }

  async pause(jobId: string): Promise<boolean> {
    return this.act(() => this.api.pauseJob(jobId));
  }

  async resume(jobId: string): Promise<boolean> {
    return this.act(() => this.api.resumeJob(jobId));
  }

  async remove(job: IJob): Promise<boolean> {
    const isDone = await this.act(() => this.api.deleteJob(job.id));
    if (isDone) {
      this.set({ deleted: job });
    }
    return isDone;
  }

  /** Bring the job back that was deleted last. */
  async undoRemove(): Promise<boolean> {
    const { deleted } = this._state;
    this.set({ deleted: null });
    return deleted !== null && this.act(() => this.api.restoreJob(deleted.id));
  }

  /** Keep the deletion; it can still be undone by command. */
  forgetRemoved(): void {
    this.set({ deleted: null });
  }

  /** Look for jobs by words, once the typing pauses. */
  search(text: string): void {
    this.set({ search: text, shown: PAGE });
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.poke(), SEARCH_DELAY_MS);
  }

  /** Show the next page too. */
  async showMore(): Promise<void> {
    const { shown, jobs, total } = this._state;
    if (jobs.length < total && shown < MOST && !this._isGrowing) {
      this._isGrowing = true;
      this.set({ shown: Math.min(MOST, shown + PAGE) });
      await this.poke();
      this._isGrowing = false;
    }
  }

  async cancel(runId: string): Promise<boolean> {
    return this.act(() => this.api.cancelRun(runId));
  }

  /** Take the last refusal off the screen. */
  dismiss(): void {
    this.set({ refusal: null });
  }

  /** Read jobs and open histories anew; a failure is shown and the last list stays. */
  async refresh(): Promise<void> {
    try {
      if (!this._state.handshake?.gateway) {
        this.set({ handshake: await this.api.getHandshake() });
      }
      const { search, shown, selected } = this._state;
      const page = await this.api.findJobs({ search: search.trim().slice(0, MOST_LETTERS), limit: shown });
      const jobs = await this.withSelected(page.jobs, selected);
      const open = Object.keys(this._state.runs).filter(id => jobs.some(job => job.id === id));
      const lists = await Promise.all(open.map(id => this.api.listRuns(id, RUNS_SHOWN)));
      const fresh = Object.fromEntries(open.map((id, index) => [id, lists[index]]));
      this.set({ isLoaded: true, jobs, total: page.total, runs: this.refill(fresh, jobs), failure: null });
    } catch (reason) {
      // The version is asked again once somebody answers: it may be another one then.
      this.set({ failure: failureOf(reason), handshake: null, isLoaded: true });
    }
    this._poll.frequency = { interval: isMoving(this._state) ? ACTIVE_MS : IDLE_MS, backoff: false, max: IDLE_MS };
  }

  /** A job that was revealed is shown although it is further down, or not what is looked for. */
  private async withSelected(jobs: IJob[], selected: string | null): Promise<IJob[]> {
    if (selected === null || jobs.some(job => job.id === selected)) {
      return jobs;
    }
    try {
      const job = await this.api.getJob(selected);
      return job.state === 'deleted' ? jobs : [job, ...jobs];
    } catch (reason) {
      if (failureOf(reason).isUnreachable) {
        throw reason;
      }
      return jobs;
    }
  }

  /** Histories opened or closed while the answer was under way stay as the user left them. */
  private refill(fresh: IJobsState['runs'], jobs: readonly IJob[]): IJobsState['runs'] {
    const open = Object.entries(this._state.runs).filter(([id]) => jobs.some(job => job.id === id));
    return Object.fromEntries(open.map(([id, runs]) => [id, fresh[id] ?? runs]));
  }

  private async act(action: () => Promise<unknown>): Promise<boolean> {
    this.set({ refusal: null });
    try {
      await action();
    } catch (reason) {
      this.set({ refusal: failureOf(reason) });
      return false;
    }
    await this.poke();
    return true;
  }

  private _isGrowing = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isVisible = false;
  private readonly _poll: Poll;
}

/** Whether something shown may change within seconds. */
export function isMoving(state: IJobsState): boolean {
  const runs = [...Object.values(state.runs).flat(), ...state.jobs.flatMap(job => job.last_run ?? [])];
  const isPromoting = state.jobs.some(job => job.promotion === 'committed' || job.promotion === 'waiting');
  return state.failure !== null || isPromoting || runs.some(run => !isFinal(run.state));
}

/** Whether all three speak the API that this front end was built for. */
export function isMatching(handshake: IHandshake): boolean {
  return handshake.api === API_VERSION && (handshake.gateway === null || handshake.gateway.api === API_VERSION);
}
