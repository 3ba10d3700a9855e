/** One notebook on its way to becoming a job: the form, its live check, the deployment and its stopwatch. */
import { type ISignal, Signal } from '@lumino/signaling';

import type { IAthenaApi } from '../api.js';
import { Failure, failureOf } from '../tokens/failure.js';
import type { IWords } from '../tokens/names.js';
import type { IRehearsalRequest } from '../tokens/rehearsals.js';
import type { ICatalogTable } from '../tokens/warehouse.js';
import type { IBundle, ICheck, IFault, IJob, IKernelReport, IPromoteRequest, IPromotion } from '../tokens/wire.js';
import { chosenOf, defaultContent, draftOf, type IContent, type ITarget } from './content.js';
import { followPromotion } from './follow.js';
import { findJob, jobsOf } from './link.js';
import { entryOf, type IEntry, parametersOf } from './parameters.js';
import { RehearsalModel } from './rehearsal.js';
import type { IPresent } from './rehearsed.js';
import { defaultPlan, type IPlan, planOf, scheduleOf } from './schedule.js';
import { StatefulModel } from './stateful.js';
import { defaultTerms, type ITermsForm, readTerms, termsFormOf } from './terms.js';

const CHECK_DELAY_MS = 300;
const DRAFT_DELAY_MS = 400;
const EDIT_DELAY_MS = 250;
const STOPWATCH_MS = 100;

export interface IForm {
  name: string;
  plan: IPlan;
  entries: IEntry[];
  terms: ITermsForm;
  content: IContent;
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
  /** Who would deploy it. */
  user: string | null;
  check: ICheck | null;
  isChecking: boolean;
  /** Whether the file is read and uploaded anew after an edit of its content. */
  isDrafting: boolean;
  /** Whether the open file says something else than what was uploaded. */
  isEdited: boolean;
  faults: IFault[];
  failure: Failure | null;
  promotion: IPromotion | null;
  /** Milliseconds since Deploy was pressed. */
  elapsed: number;
}

export interface IPromotionOptions {
  api: IAthenaApi;
  trans: IWords;
  target: ITarget;
  timezone: string;
  defaultName: string;
  /** Save the file if it has changes that are not on disk. */
  save: () => Promise<void>;
  /** Give what the open file says, without outputs; null where it is not open. */
  content: () => string | null;
  /** Ask the live kernel which cells ran and what it has imported; null where there is none. */
  report: () => Promise<IKernelReport | null>;
}

export class PromotionModel extends StatefulModel<IPromotionState> {
  constructor(private readonly options: IPromotionOptions) {
    const { defaultName, timezone } = options;
    super({
      phase: 'loading',
      form: { name: defaultName, plan: defaultPlan(timezone), entries: [], terms: defaultTerms(), content: defaultContent(), message: '' },
      bundle: null,
      job: null,
      user: null,
      check: null,
      isChecking: false,
      isDrafting: false,
      isEdited: false,
      faults: [],
      failure: null,
      promotion: null,
      elapsed: 0
    });
    this.rehearsal = new RehearsalModel({ api: options.api, prepare: () => this.prepareRehearsal() });
  }

  /** The rehearsals of what this form deploys. */
  readonly rehearsal: RehearsalModel;

  /** Emitted with the promotion once a deployment was accepted or has become visible. */
  get deployed(): ISignal<this, IPromotion> {
    return this._deployed;
  }

  /** Whether Deploy may be pressed now. */
  get canDeploy(): boolean {
    const { phase, faults, check, isChecking, isDrafting } = this._state;
    const isBusy = isChecking || isDrafting;
    return (phase === 'editing' || phase === 'settled') && faults.length === 0 && check !== null && !isBusy;
  }

  /** What would be rehearsed and deployed now. */
  get present(): IPresent {
    const { isEdited, form } = this._state;
    return { request: this.rehearsalRequest(), isEdited, timezone: form.plan.timezone };
  }

  override dispose(): void {
    this.rehearsal.dispose();
    clearTimeout(this._timer);
    clearTimeout(this._draftTimer);
    clearTimeout(this._editTimer);
    clearInterval(this._stopwatch);
    this._abort?.abort();
    super.dispose();
  }

  /** Read the notebook and the jobs; show the job that it is already, if it is one. */
  async load(): Promise<void> {
    const { api } = this.options;
    this.set({ phase: 'loading', failure: null });
    try {
      const bundle = await this.draft();
      const job = findJob(await jobsOf(api, bundle.source), bundle);
      this.set({ phase: 'editing', bundle, job, form: this.formOf(bundle, job) });
      await this.recallContent(bundle, job);
      void this.rehearsal.find(this._state.bundle ?? bundle);
      const { user } = await api.getMe();
      this.set({ user });
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

  /** Take an edit of what is run: the file is read and uploaded anew once the typing pauses. */
  editContent(patch: Partial<IContent>): void {
    const content = { ...this._state.form.content, ...patch };
    this.set({ form: { ...this._state.form, content }, phase: 'editing', promotion: null, isDrafting: true });
    clearTimeout(this._draftTimer);
    this._draftTimer = setTimeout(() => void this.redraft(), DRAFT_DELAY_MS);
  }

  /** Take note of an edit of the open file: whether it still says what was uploaded, once the typing pauses. */
  noteEdit(): void {
    clearTimeout(this._editTimer);
    this._editTimer = setTimeout(() => {
      const content = this.options.content();
      this.set({ isEdited: content !== null && this._uploaded !== null && content !== this._uploaded });
    }, EDIT_DELAY_MS);
  }

  private async redraft(): Promise<void> {
    const turn = ++this._draftTurn;
    try {
      const bundle = await this.draft();
      if (turn === this._draftTurn) {
        this.take(bundle);
        void this.rehearsal.find(bundle);
        await this.runCheck();
      }
    } catch (reason) {
      if (turn === this._draftTurn) {
        const failure = failureOf(reason);
        this.set({ isDrafting: false, check: null, failure, faults: failure.faults });
      }
    }
  }

  /** Save the file, read and upload it. */
  private async draft(): Promise<IBundle> {
    const { api, save, content, report, target } = this.options;
    await save();
    const saved = content();
    const bundle = await api.draft(draftOf(target, this._state.form.content, await report()));
    this._uploaded = saved;
    this.set({ isEdited: false });
    this.noteEdit();
    return bundle;
  }

  private take(bundle: IBundle): void {
    const entries = merge(bundle, this._state.form.entries);
    this.set({ bundle, isDrafting: false, form: { ...this._state.form, entries } });
  }

  /** Keep what the deployed version has: its cells, where they are others than the slice says, and its lock. */
  private async recallContent(bundle: IBundle, job: IJob | null): Promise<void> {
    if (job === null) {
      return;
    }
    const { notebook, environment } = await this.options.api.getVersion(job.id, job.version);
    const ids = new Set(notebook.cells.map(cell => cell.id ?? ''));
    const keptCells = bundle.slice.length > 0 ? chosenOf(bundle, ids) : null;
    if (keptCells !== null || environment === 'lock') {
      const lock = environment === 'lock' ? { environment: null, lockedJob: job.id } : {};
      const content = { ...this._state.form.content, ...(keptCells && { keptCells }), ...lock };
      this.set({ form: { ...this._state.form, content } });
      this.take(await this.draft());
    }
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
      const bundle = await this.draft();
      this.take(bundle);
      void this.rehearsal.find(bundle);
      await this.follow(await this.options.api.promote(this.request()));
      this.set({ phase: 'settled' });
    } catch (reason) {
      const failure = failureOf(reason);
      this.set({ phase: 'editing', failure, faults: failure.faults });
    } finally {
      clearInterval(this._stopwatch);
    }
  }

  /** Save, upload and check what is to be rehearsed; a file that was edited meanwhile may have faults now. */
  private async prepareRehearsal(): Promise<{ request: IRehearsalRequest; bundle: IBundle }> {
    const before = this._state.bundle?.hash;
    const bundle = await this.draft();
    this.take(bundle);
    if (bundle.hash !== before) {
      await this.runCheck();
      const { faults, failure } = this._state;
      if (failure !== null || faults.length > 0) {
        const message = this.options.trans.__('Cannot rehearse: the file was edited and now has faults. Mend them first.');
        throw failure ?? new Failure(422, { error: 'InvalidError', message, faults: [], error_id: null });
      }
    }
    return { request: this.rehearsalRequest(), bundle };
  }

  private async follow(first: IPromotion): Promise<void> {
    this._deployed.emit(first);
    const promotion = await followPromotion(this.options.api, first, {
      note: (promotion, failure) => this.set({ promotion, failure }),
      isDone: () => this.isDisposed
    });
    clearInterval(this._stopwatch);
    this.readStopwatch();
    this._deployed.emit(promotion);
    await this.refreshJob(promotion.job_id);
  }

  private readStopwatch(): void {
    this.set({ elapsed: performance.now() - this._started });
  }

  private async refreshJob(jobId: string): Promise<void> {
    this.set({ job: await this.options.api.getJob(jobId) });
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
      schedule: form.terms.waits.mode === 'updates' ? { ...scheduleOf(form.plan), cron: null } : scheduleOf(form.plan),
      parameters: parametersOf(form.entries, this.options.trans).values,
      ...readTerms(form.terms, this.options.trans).values,
      job_id: job?.id ?? null,
      message: form.message.trim()
    };
  }

  /** What the catalog knows of tables (`dataset.table`); null of those that there are not, or that may not be seen. */
  async findTables(names: readonly string[]): Promise<(ICatalogTable | null)[]> {
    const { tables } = await this.options.api.getCatalog();
    const known = new Map(tables.map(table => [`${table.dataset}.${table.table}`, table]));
    return names.map(name => known.get(name) ?? null);
  }

  private rehearsalRequest(): IRehearsalRequest {
    const { form, bundle, job } = this._state;
    const { tables, timeout_s, guards } = readTerms(form.terms, this.options.trans).values;
    return {
      bundle: bundle?.hash ?? '',
      job_id: job?.id ?? null,
      timezone: form.plan.timezone.trim(),
      parameters: parametersOf(form.entries, this.options.trans).values,
      tables,
      timeout_s,
      guards
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
      content: form.content,
      message: ''
    };
  }

  /** What the file said when it was uploaded. */
  private _uploaded: string | null = null;
  private _editTimer: ReturnType<typeof setTimeout> | undefined;
  private _draftTurn = 0;
  private _draftTimer: ReturnType<typeof setTimeout> | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _stopwatch: ReturnType<typeof setInterval> | undefined;
  private _started = 0;
  private _abort: AbortController | null = null;
  private readonly _deployed = new Signal<this, IPromotion>(this);
}

/** Keep what was typed for the parameters that the notebook still has. */
function merge(bundle: IBundle, entries: readonly IEntry[]): IEntry[] {
  return bundle.parameters.map(parameter => {
    const typed = entries.find(entry => entry.name === parameter.name && entry.type === parameter.type);
    return typed ? { ...typed, default: parameter.default } : entryOf(parameter);
  });
}
