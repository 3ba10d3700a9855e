/** The rehearsals of one form: the last one of what it deploys is found, a new one is started, followed and stopped. */
import type { IAthenaApi } from '../api.js';
import { type Failure, failureOf } from '../tokens/failure.js';
import type { IRehearsal, IRehearsalRequest } from '../tokens/rehearsals.js';
import { type IBundle, type ICellSummary, isFinal } from '../tokens/wire.js';
import { followRehearsal } from './follow.js';
import { StatefulModel } from './stateful.js';

const COUNT_AGAIN_MS = 3000;
const MOST_COUNTS = 20;

export interface IRehearsalState {
  /** The last rehearsal that is known; it may be of earlier content. */
  rehearsal: IRehearsal | null;
  /** What was asked for; null for one that was found and not started here. */
  asked: IRehearsalRequest | null;
  /** The code cells of the bundle that it runs. */
  cells: readonly ICellSummary[];
  /** When it was asked for, by this machine's clock (milliseconds since 1970). */
  since: number;
  /** Whether the file is being saved and uploaded, and the rehearsal asked for. */
  isStarting: boolean;
  /** Whether it is followed to its end. */
  isGoing: boolean;
  isStopping: boolean;
  /** Why it could not be found, started, followed or stopped. */
  failure: Failure | null;
}

export interface IRehearsalOptions {
  api: IAthenaApi;
  /** Save and upload the file; give what is asked for and the bundle. Throws the `Failure` of a form with faults. */
  prepare: () => Promise<{ request: IRehearsalRequest; bundle: IBundle }>;
}

export class RehearsalModel extends StatefulModel<IRehearsalState> {
  constructor(private readonly options: IRehearsalOptions) {
    super({
      rehearsal: null,
      asked: null,
      cells: [],
      since: 0,
      isStarting: false,
      isGoing: false,
      isStopping: false,
      failure: null
    });
  }

  /** Whether one is being started or goes on. */
  get isBusy(): boolean {
    return this._state.isStarting || this._state.isGoing;
  }

  /** Show the last rehearsal of a bundle, if there is one; one that goes on is followed. */
  async find(bundle: IBundle): Promise<void> {
    this._wanted = bundle.hash;
    if (this.isBusy || this._state.rehearsal?.bundle === bundle.hash) {
      return;
    }
    const { api } = this.options;
    try {
      const [last] = await api.listRehearsals(bundle.hash, 1);
      const rehearsal = last ? await api.getRehearsal(last.id, 0) : null;
      if (this._wanted !== bundle.hash || this.isBusy) {
        return; // what was looked for changed meanwhile
      }
      if (rehearsal === null) {
        this.set({ failure: null });
      } else {
        const since = Math.min(Date.now(), Date.parse(rehearsal.queued_at));
        this.set({ rehearsal, asked: null, cells: bundle.cells, since, failure: null });
        await this.follow(rehearsal);
      }
    } catch (reason) {
      this.set({ failure: failureOf(reason) });
    }
  }

  /** Rehearse what the form would deploy now, and follow it to its end. */
  async start(): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.set({ isStarting: true, failure: null });
    try {
      const { request, bundle } = await this.options.prepare();
      const rehearsal = await this.options.api.rehearse(request);
      this.set({ rehearsal, asked: request, cells: bundle.cells, since: Date.now(), isStarting: false });
      await this.follow(rehearsal);
    } catch (reason) {
      this.set({ failure: failureOf(reason), isStarting: false });
    }
  }

  /** Stop the one that goes on; whoever follows it sees its end. */
  async stop(): Promise<void> {
    const { rehearsal } = this._state;
    if (rehearsal === null || !this._state.isGoing) {
      return;
    }
    this.set({ isStopping: true, failure: null });
    try {
      await this.options.api.cancelRehearsal(rehearsal.id);
    } catch (reason) {
      this.set({ isStopping: false, failure: failureOf(reason) });
    }
  }

  private async follow(first: IRehearsal): Promise<void> {
    this.set({ isGoing: !isFinal(first.state) });
    try {
      await followRehearsal(this.options.api, first, {
        note: (rehearsal, failure) => this.set({ rehearsal, failure }),
        isDone: () => this.isDisposed
      });
    } finally {
      this.set({ isGoing: false, isStopping: false });
    }
    await this.recount(first.id);
  }

  /** Ask again for what its tables hold, for a while: the warehouse may have been away at its end. */
  private async recount(id: string): Promise<void> {
    for (let turn = 0; turn < MOST_COUNTS; turn += 1) {
      const { rehearsal } = this._state;
      if (this.isDisposed || this.isBusy || rehearsal?.id !== id || isCounted(rehearsal)) {
        return;
      }
      await new Promise(resolve => setTimeout(resolve, COUNT_AGAIN_MS));
      const fresh = await this.options.api.getRehearsal(id, 0);
      if (this._state.rehearsal?.id === id) {
        this.set({ rehearsal: fresh });
      }
    }
  }

  private _wanted = '';
}

/** Whether it is known what an ended rehearsal wrote and billed: both are counted together. */
export function isCounted({ billed_bytes: billed }: IRehearsal): boolean {
  return billed !== null;
}
