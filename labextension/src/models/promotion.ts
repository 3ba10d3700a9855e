/** One notebook on its way to becoming a job: the form, its live check, the deployment and its stopwatch. */
import { type ISignal, Signal } from '@lumino/signaling';

import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { IWords } from '../tokens/names.js';
import type { IBundle, ICheck, IFault, IJob, IPromoteRequest, IPromotion, ISource } from '../tokens/wire.js';
import { entryOf, type IEntry, parametersOf } from './parameters.js';
import { defaultPlan, type IPlan, planOf, scheduleOf } from './schedule.js';
import { StatefulModel } from './stateful.js';
import { defaultTerms, type ITermsForm, readTerms, termsFormOf } from './terms.js';

const CHECK_DELAY_MS = 300;
const LONG_POLL_S = 20;
const STOPWATCH_MS = 100;
const RETRY_MS = 2000;
/** A gateway with many waiting requests answers at once instead of waiting; it must not be asked without pause. */
const MIN_POLL_MS = 250;

export interface IForm {
  name: string;
  plan: IPlan;
  entries: IEntry[];
  terms: ITermsForm;
  message: string;
}

/** `loading` until the notebook was read; `refused` if it cannot be scheduled as it is. */
export type Phase = 'loading' | 'refused' | 'editing' | 'deploying' | 'settled';

export interface IPromotionState {
  phase: Phase;
  form: IForm;
  bundle: IBundle | null;
  /** The job that this notebook is already scheduled as. */
  job: IJob | null;
  check: ICheck | null;
  isChecking: boolean;
  faults: IFault[];
  failure: Failure | null;
  promotion: IPromotion | null;
  /** Milliseconds since Deploy was pressed. */
  elapsed: number;
}

export interface IPromotionOptions {
  api: IAthenaApi;
  trans: IWords;
  path: string;
  cellId: string | null;
  timezone: string;
  defaultName: string;
  /** Save the notebook if it has changes that are not on disk. */
  save: () => Promise<void>;
}

export class PromotionModel extends StatefulModel<IPromotionState> {
  constructor(private readonly options: IPromotionOptions) {
    const { defaultName, timezone } = options;
    super({
      phase: 'loading',
      form: { name: defaultName, plan: defaultPlan(timezone), entries: [], terms: defaultTerms(), message: '' },
      bundle: null,
      job: null,
      check: null,
      isChecking: false,
      faults: [],
      failure: null,
      promotion: null,
      elapsed: 0
    });
  }

  /** Emitted with the promotion once a deployment was accepted or has become visible. */
  get deployed(): ISignal<this, IPromotion> {
    return this._deployed;
  }

  /** Whether Deploy may be pressed now. */
  get canDeploy(): boolean {
    const { phase, faults, check, isChecking } = this._state;
    return (phase === 'editing' || phase === 'settled') && faults.length === 0 && check !== null && !isChecking;
  }

  override dispose(): void {
    clearTimeout(this._timer);
    clearInterval(this._stopwatch);
    this._abort?.abort();
    super.dispose();
  }

  /** Read the notebook and the jobs; show the job that it is already, if it is one. */
  async load(): Promise<void> {
    const { api, path, cellId } = this.options;
    this.set({ phase: 'loading', failure: null });
    try {
      await this.options.save();
      const [bundle, jobs] = await Promise.all([api.draft(path, cellId), api.listJobs()]);
      const job = findJob(jobs, bundle);
      this.set({ phase: 'editing', bundle, job, form: this.formOf(bundle, job) });
      await this.runCheck();
    } catch (reason) {
      this.set({ phase: 'refused', failure: failureOf(reason) });
    }
  }

  /** Take an edit of the form and check it once the typing pauses. */
  edit(patch: Partial<IForm>): void {
    const phase = this._state.phase === 'settled' ? 'editing' : this._state.phase;
    this.set({ form: { ...this._state.form, ...patch }, phase, promotion: null, failure: null, isChecking: true });
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.runCheck(), CHECK_DELAY_MS);
  }

  /** Save, upload and deploy, then wait until Airflow reports the version; the stopwatch runs meanwhile. */
  async deploy(): Promise<void> {
    if (!this.canDeploy) {
      return;
    }
    this.set({ phase: 'deploying', failure: null, promotion: null, elapsed: 0 });
    this._started = performance.now();
    this._stopwatch = setInterval(() => this.readStopwatch(), STOPWATCH_MS);
    try {
      await this.options.save();
      const bundle = await this.options.api.draft(this.options.path, this.options.cellId);
      this.set({ bundle, form: { ...this._state.form, entries: merge(bundle, this._state.form.entries) } });
      await this.follow(await this.options.api.promote(this.request()));
      this.set({ phase: 'settled' });
    } catch (reason) {
      const failure = failureOf(reason);
      this.set({ phase: 'editing', failure, faults: failure.faults });
    } finally {
      clearInterval(this._stopwatch);
    }
  }

  private async follow(first: IPromotion): Promise<void> {
    let promotion = first;
    this.set({ promotion });
    this._deployed.emit(promotion);
    while ((promotion.state === 'committed' || promotion.state === 'waiting') && !this.isDisposed) {
      try {
        const asked = performance.now();
        promotion = await this.options.api.getPromotion(promotion.job_id, promotion.version, LONG_POLL_S);
        this.set({ promotion, failure: null });
        if (promotion.state !== 'visible' && performance.now() - asked < MIN_POLL_MS) {
          await pause(MIN_POLL_MS);
        }
      } catch (reason) {
        const failure = failureOf(reason);
        if (!failure.isUnreachable) {
          throw failure;
        }
        // It is committed and will be finished; only the answer has to wait until the gateway is back.
        this.set({ failure });
        await pause(RETRY_MS);
      }
    }
    clearInterval(this._stopwatch);
    this.readStopwatch();
    this._deployed.emit(promotion);
    await this.refreshJob(promotion.job_id);
  }

  private readStopwatch(): void {
    this.set({ elapsed: performance.now() - this._started });
  }

  private async refreshJob(jobId: string): Promise<void> {
    const jobs = await this.options.api.listJobs();
    this.set({ job: jobs.find(job => job.id === jobId) ?? this._state.job });
  }

  private async runCheck(): Promise<void> {
    this._abort?.abort();
    const abort = new AbortController();
    this._abort = abort;
    const { entries, terms } = this._state.form;
    const { trans } = this.options;
    const seen = [...parametersOf(entries, trans).faults, ...readTerms(terms, trans).faults];
    this.set({ isChecking: true });
    try {
      const check = await this.options.api.check(this.request(), abort.signal);
      if (!abort.signal.aborted) {
        this.set({ check, faults: [...seen, ...check.faults], isChecking: false, failure: null });
      }
    } catch (reason) {
      if (!abort.signal.aborted) {
        const failure = failureOf(reason);
        this.set({ check: null, faults: [...seen, ...failure.faults], failure, isChecking: false });
      }
    }
  }

  private request(): IPromoteRequest {
    const { form, bundle, job } = this._state;
    return {
      bundle: bundle?.hash ?? '',
      name: form.name.trim(),
      schedule: scheduleOf(form.plan),
      parameters: parametersOf(form.entries, this.options.trans).values,
      ...readTerms(form.terms, this.options.trans).values,
      job_id: job?.id ?? null,
      message: form.message.trim()
    };
  }

  private formOf(bundle: IBundle, job: IJob | null): IForm {
    const { form } = this._state;
    return {
      name: job?.name ?? form.name,
      plan: job ? planOf(job.schedule) : form.plan,
      entries: bundle.parameters.map(parameter =>
        entryOf(
          parameter,
          job?.parameters.find(saved => saved.name === parameter.name)
        )
      ),
      terms: job ? termsFormOf(job) : form.terms,
      message: ''
    };
  }

  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _stopwatch: ReturnType<typeof setInterval> | undefined;
  private _started = 0;
  private _abort: AbortController | null = null;
  private readonly _deployed = new Signal<this, IPromotion>(this);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds));
}

/** Find the job that a notebook (or one cell of it) is already scheduled as: by its id, else by its path. */
export function findJob(jobs: readonly IJob[], bundle: { source: ISource }): IJob | null {
  const { notebook_id, path, cell_id } = bundle.source;
  const alive = jobs.filter(job => job.state !== 'deleted' && job.source.cell_id === cell_id);
  // A clone shares its original's notebook: the job that was first keeps it.
  alive.sort((one, other) => one.created_at.localeCompare(other.created_at));
  return (
    alive.find(job => notebook_id !== null && job.source.notebook_id === notebook_id) ??
    // By its path only where the job knows no id: another notebook that took a renamed one's place is not that one.
    alive.find(job => job.source.notebook_id === null && job.source.path === path) ??
    null
  );
}

/** Keep what was typed for the parameters that the notebook still has. */
function merge(bundle: IBundle, entries: readonly IEntry[]): IEntry[] {
  return bundle.parameters.map(parameter => {
    const typed = entries.find(entry => entry.name === parameter.name && entry.type === parameter.type);
    return typed ? { ...typed, default: parameter.default } : entryOf(parameter);
  });
}
