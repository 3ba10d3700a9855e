/** What the chip of a notebook says: not scheduled, up to date, or how many cells differ; live while it is edited. */
import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { IWords } from '../tokens/names.js';
import type { ICell, IJob, IVersionContent } from '../tokens/wire.js';
import { diffCells } from './difference.js';
import { type IOpenNotebook, jobsOf, linkedJob, type ReadNotebookId, type VersionCache } from './link.js';
import { StatefulModel } from './stateful.js';

const COUNT_DELAY_MS = 250;

export interface IChipState {
  isLoaded: boolean;
  job: IJob | null;
  /** How many cells differ from the deployed version; null if that is not known. */
  count: number | null;
  failure: Failure | null;
}

export interface IChipOptions {
  api: IAthenaApi;
  versions: VersionCache;
  read: ReadNotebookId;
  notebook: () => IOpenNotebook;
  cells: () => ICell[];
}

export class ChipModel extends StatefulModel<IChipState> {
  constructor(private readonly options: IChipOptions) {
    super({ isLoaded: false, job: null, count: null, failure: null });
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  /** Find the notebook's job anew and its deployed version; the last of several at once decides. */
  async refresh(): Promise<void> {
    const turn = ++this._turn;
    try {
      const notebook = this.options.notebook();
      const jobs = await jobsOf(this.options.api, { path: notebook.path, notebook_id: notebook.notebookId });
      const job = await linkedJob(jobs, notebook, this.options.read);
      const deployed = job ? await this.options.versions.get(job.id, job.version) : null;
      if (turn === this._turn) {
        this._deployed = deployed;
        this.set({ isLoaded: true, job, failure: null, count: this.count() });
      }
    } catch (reason) {
      if (turn === this._turn) {
        this.set({ isLoaded: true, failure: failureOf(reason) });
      }
    }
  }

  /** Take note of an edit; the cells are compared once the typing pauses. */
  noteEdit(): void {
    if (this._deployed !== null) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => this.recount(), COUNT_DELAY_MS);
    }
  }

  private recount(): void {
    const count = this.count();
    if (count !== this._state.count) {
      this.set({ count });
    }
  }

  private count(): number | null {
    return this._deployed ? diffCells(this._deployed.notebook.cells, this.options.cells()).length : null;
  }

  private _deployed: IVersionContent | null = null;
  private _turn = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

/** Say in a few words how the notebook and its deployed version stand. */
export function chipText(state: IChipState, trans: IWords): string {
  const { job, count, failure } = state;
  if (!state.isLoaded) {
    return '';
  }
  if (failure !== null) {
    return trans.__('schedule unknown');
  }
  if (job === null) {
    return trans.__('not scheduled');
  }
  if (count === null || count === 0) {
    return trans.__('v%1, up to date', job.version);
  }
  return trans.__('v%1, %2', job.version, trans._n('%1 cell differs', '%1 cells differ', count));
}
