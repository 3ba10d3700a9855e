/** A job's versions, what differs between one of them and the open notebook, and the way back to an earlier one. */
import { type ISignal, Signal } from '@lumino/signaling';

import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { ICell, IJob, IJobVersion, IPromotion, IVersionContent } from '../tokens/wire.js';
import { diffCells, diffLines, diffSettings, type ICellDifference, type IFieldDifference, type ILine, textOf } from './difference.js';
import { followPromotion } from './follow.js';
import type { VersionCache } from './link.js';
import { StatefulModel } from './stateful.js';

const EDIT_DELAY_MS = 250;

export interface IShownCell extends ICellDifference {
  lines: ILine[];
  /** The tags before and now, if they changed. */
  tags: { before: string[]; after: string[] } | null;
}

export interface IVersionsState {
  isLoaded: boolean;
  job: IJob | null;
  versions: IJobVersion[];
  /** The version that is compared. */
  chosen: number | null;
  /** With what: the open notebook, or the current version where none is open. */
  isNotebookOpen: boolean;
  cells: IShownCell[];
  sameCells: number;
  fields: IFieldDifference[];
  failure: Failure | null;
  /** The version that is being rolled back to. */
  pending: number | null;
  promotion: IPromotion | null;
}

export interface IVersionsOptions {
  api: IAthenaApi;
  versions: VersionCache;
  jobId: string;
  /** The open notebook's cells, null if it is not open. */
  cells: () => ICell[] | null;
}

export class VersionsModel extends StatefulModel<IVersionsState> {
  constructor(private readonly options: IVersionsOptions) {
    super({
      isLoaded: false,
      job: null,
      versions: [],
      chosen: null,
      isNotebookOpen: false,
      cells: [],
      sameCells: 0,
      fields: [],
      failure: null,
      pending: null,
      promotion: null
    });
  }

  /** Emitted with the promotion once a rollback was accepted or has become visible. */
  get deployed(): ISignal<this, IPromotion> {
    return this._deployed;
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  /** Read the job and its versions anew; the version that was chosen stays, else it is the current one. */
  async load(): Promise<void> {
    const { api, jobId } = this.options;
    try {
      const [job, versions] = await Promise.all([api.getJob(jobId), api.listVersions(jobId)]);
      const wasCurrent = this._state.chosen === null || this._state.chosen === this._state.versions[0]?.version;
      const chosen = wasCurrent ? (versions[0]?.version ?? null) : this._state.chosen;
      this.set({ isLoaded: true, job, versions, chosen, failure: null });
      await this.compare();
    } catch (reason) {
      this.set({ isLoaded: true, failure: failureOf(reason) });
    }
  }

  /** Compare another version with the notebook. */
  async choose(version: number): Promise<void> {
    this.set({ chosen: version });
    await this.compare();
  }

  /** Take note of an edit of the open notebook. */
  noteEdit(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.compare(), EDIT_DELAY_MS);
  }

  /** Deploy an earlier version's content as a new version, and wait until Airflow reports it. */
  async rollback(version: number): Promise<void> {
    const { api, jobId } = this.options;
    this.set({ pending: version, failure: null, promotion: null });
    try {
      const expected = this._state.versions[0]?.version ?? null;
      const first = await api.rollback(jobId, { version, expected_version: expected });
      this.set({ promotion: first });
      this._deployed.emit(first);
      await this.load();
      const promotion = await followPromotion(api, first, {
        note: (promotion, failure) => this.set({ promotion, failure }),
        isDone: () => this.isDisposed
      });
      this._deployed.emit(promotion);
    } catch (reason) {
      this.set({ failure: failureOf(reason) });
    } finally {
      this.set({ pending: null });
    }
  }

  private async compare(): Promise<void> {
    const { chosen, versions } = this._state;
    if (chosen === null || versions.length === 0) {
      return;
    }
    const turn = ++this._turn;
    const get = (version: number) => this.options.versions.get(this.options.jobId, version);
    try {
      const [before, current] = await Promise.all([get(chosen), get(versions[0].version)]);
      if (turn === this._turn) {
        this.set({ ...this.difference(before, current), failure: null });
      }
    } catch (reason) {
      if (turn === this._turn) {
        this.set({ failure: failureOf(reason), cells: [], fields: [] });
      }
    }
  }

  private difference(before: IVersionContent, current: IVersionContent): Partial<IVersionsState> {
    const open = this.options.cells();
    const after = open ?? current.notebook.cells;
    const found = diffCells(before.notebook.cells, after);
    return {
      isNotebookOpen: open !== null,
      cells: found.map(one => shown(one, before.notebook.cells, after)),
      sameCells: after.length - found.filter(one => one.after !== null).length,
      fields: diffSettings(before, current)
    };
  }

  private _turn = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private readonly _deployed = new Signal<this, IPromotion>(this);
}

function shown(one: ICellDifference, before: readonly ICell[], after: readonly ICell[]): IShownCell {
  const old = one.before === null ? null : before[one.before];
  const now = one.after === null ? null : after[one.after];
  return {
    ...one,
    lines: diffLines(old ? textOf(old) : '', now ? textOf(now) : ''),
    tags: old && now ? changeOfTags(old, now) : null
  };
}

function changeOfTags(old: ICell, now: ICell): IShownCell['tags'] {
  const [before, after] = [old.metadata.tags ?? [], now.metadata.tags ?? []];
  return JSON.stringify(before) === JSON.stringify(after) ? null : { before, after };
}
