/** Which job an open notebook is: by its id, unless it is a copy of the notebook whose id it bears. */
import type { IAthenaApi } from '../api.js';
import type { IJob, ISource, IVersionContent } from '../tokens/wire.js';
import { isSameCells } from './content.js';

export interface IOpenNotebook {
  path: string;
  notebookId: string | null;
}

/** Read the notebook id of a file on the disk; null if there is no such notebook. */
export type ReadNotebookId = (path: string) => Promise<string | null>;

/** Ask for the jobs that may be a notebook's: those that know its id or its path. */
export async function jobsOf(api: IAthenaApi, source: { path: string; notebook_id: string | null }): Promise<IJob[]> {
  return (await api.findJobs({ path: source.path, notebook_id: source.notebook_id ?? undefined, limit: 500 })).jobs;
}

/** Find the job that a notebook (or one cell of it) is already scheduled as: by its id, else by its path. */
export function findJob(jobs: readonly IJob[], bundle: { source: ISource }): IJob | null {
  const { notebook_id, path } = bundle.source;
  const alive = jobs.filter(job => job.state !== 'deleted' && isSameCells(job.source, bundle.source));
  // A clone shares its original's notebook: the job that was first keeps it.
  alive.sort((one, other) => one.created_at.localeCompare(other.created_at));
  return (
    alive.find(job => notebook_id !== null && job.source.notebook_id === notebook_id) ??
    // By its path only where the job knows no id: another notebook that took a renamed one's place is not that one.
    alive.find(job => job.source.notebook_id === null && job.source.path === path) ??
    null
  );
}

/** Whether a notebook is a copy: the one that was scheduled under its id still lies elsewhere. */
export async function isCopy(jobs: readonly IJob[], notebook: IOpenNotebook, read: ReadNotebookId): Promise<boolean> {
  const { path, notebookId } = notebook;
  if (notebookId === null) {
    return false;
  }
  const others = jobs.filter(job => job.state !== 'deleted' && job.source.notebook_id === notebookId);
  if (others.length === 0 || others.some(job => job.source.path === path)) {
    return false;
  }
  const found = await Promise.all(others.map(job => read(job.source.path)));
  return found.includes(notebookId);
}

/** Find the job of a whole notebook, null if it is not scheduled. */
export async function linkedJob(
  jobs: readonly IJob[],
  notebook: IOpenNotebook,
  read: ReadNotebookId
): Promise<IJob | null> {
  if (await isCopy(jobs, notebook, read)) {
    return null;
  }
  const { path, notebookId } = notebook;
  const found = findJob(jobs, { source: { path, notebook_id: notebookId, cell_id: null, cell_ids: [] } });
  if (found !== null) {
    return found;
  }
  // Another window may have given the file on the disk its id: that one counts, for it is what is deployed.
  const atPath = jobs.some(job => job.state !== 'deleted' && job.source.path === path && job.source.cell_id === null);
  return atPath ? findJob(jobs, { source: { path, notebook_id: await read(path), cell_id: null, cell_ids: [] } }) : null;
}

/** Versions never change, so each is fetched once. */
export class VersionCache {
  constructor(private readonly api: IAthenaApi) {}

  /** Give a version whole; a failed fetch is tried again the next time. */
  get(jobId: string, version: number): Promise<IVersionContent> {
    const key = `${jobId} ${version}`;
    const known = this._contents.get(key);
    if (known) {
      return known;
    }
    const asked = this.api.getVersion(jobId, version);
    this._contents.set(key, asked);
    asked.catch(() => this._contents.delete(key));
    if (this._contents.size > MOST_KEPT) {
      this._contents.delete([...this._contents.keys()][0]);
    }
    return asked;
  }

  private readonly _contents = new Map<string, Promise<IVersionContent>>();
}

const MOST_KEPT = 50;
