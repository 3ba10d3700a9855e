/** The labserver's API: one typed method an endpoint. */
import type { ServerConnection } from '@jupyterlab/services';

import { request, start } from './request.js';
import { Keys } from './tokens/keys.js';
import type { IRehearsal, IRehearsalRequest } from './tokens/rehearsals.js';
import type { ICatalog } from './tokens/warehouse.js';
import type {
  IBackfill,
  IBackfillPreview,
  IBackfillRequest,
  IBundle,
  ICheck,
  IDependencies,
  IDraftRequest,
  IHandshake,
  IJob,
  IJobPage,
  IJobQuery,
  IJobVersion,
  IPrincipal,
  IPromoteRequest,
  IPromotion,
  IRollbackRequest,
  IRun,
  IRunRequest,
  IRunSummary,
  IVersionContent
} from './tokens/wire.js';

export interface IAthenaApi {
  /** Who answers, and whether it speaks our API. */
  getHandshake(): Promise<IHandshake>;
  /** Who the user is to the gateway. */
  getMe(): Promise<IPrincipal>;
  /** Every table that the user may see. */
  getCatalog(): Promise<ICatalog>;
  /** Read the saved file, upload it, and tell what was found in it. */
  draft(body: IDraftRequest, signal?: AbortSignal): Promise<IBundle>;
  /** What a promotion would do, with all its faults. */
  check(body: IPromoteRequest, signal?: AbortSignal): Promise<ICheck>;
  promote(body: IPromoteRequest): Promise<IPromotion>;
  /** A promotion's state; answers once it changes or after `waitSeconds`. */
  getPromotion(jobId: string, version: number, waitSeconds: number): Promise<IPromotion>;
  /** A page of the caller's jobs, in the order of their names. */
  findJobs(query: IJobQuery): Promise<IJobPage>;
  getJob(jobId: string): Promise<IJob>;
  pauseJob(jobId: string): Promise<IJob>;
  resumeJob(jobId: string): Promise<IJob>;
  deleteJob(jobId: string): Promise<IJob>;
  /** Bring a deleted job back, as its next version. */
  restoreJob(jobId: string): Promise<IPromotion>;
  getDependencies(jobId: string): Promise<IDependencies>;
  listVersions(jobId: string): Promise<IJobVersion[]>;
  /** One version whole, with its notebook; it never changes. */
  getVersion(jobId: string, version: number): Promise<IVersionContent>;
  /** Deploy an earlier version's content as a new version. */
  rollback(jobId: string, body: IRollbackRequest): Promise<IPromotion>;
  /** The fires that a backfill would make runs of. */
  previewBackfill(jobId: string, body: IBackfillRequest): Promise<IBackfillPreview>;
  backfill(jobId: string, body: IBackfillRequest): Promise<IBackfill>;
  runJob(jobId: string, body: IRunRequest): Promise<IRun>;
  listRuns(jobId: string, limit: number): Promise<IRunSummary[]>;
  getRun(runId: string): Promise<IRun>;
  cancelRun(runId: string): Promise<IRun>;
  /** Run a bundle once, writing to a scratch dataset only. */
  rehearse(body: IRehearsalRequest): Promise<IRehearsal>;
  /** The caller's rehearsals of a bundle, the newest first. */
  listRehearsals(bundle: string, limit: number): Promise<IRehearsal[]>;
  /** A rehearsal; answers once it changes or after `waitSeconds`. */
  getRehearsal(id: string, waitSeconds: number): Promise<IRehearsal>;
  cancelRehearsal(id: string): Promise<IRehearsal>;
}

/** Make the API over a connection to Jupyter Server. */
export function createApi(settings: ServerConnection.ISettings): IAthenaApi {
  const job = (id: string) => `api/jobs/${encodeURIComponent(id)}`;
  const run = (id: string) => `api/runs/${encodeURIComponent(id)}`;
  const rehearsal = (id: string) => `api/rehearsals/${encodeURIComponent(id)}`;
  const keys = new Keys();
  return {
    getHandshake: () => request(settings, 'version'),
    getMe: () => request(settings, 'api/me'),
    getCatalog: () => request(settings, 'api/catalog'),
    draft: (body, signal) => request(settings, 'draft', { method: 'POST', body, signal }),
    check: (body, signal) => request(settings, 'api/jobs/check', { method: 'POST', body, signal }),
    promote: body => request(settings, 'api/jobs', { method: 'POST', body }),
    getPromotion: (jobId, version, waitSeconds) =>
      request(settings, `${job(jobId)}/versions/${version}/promotion`, { query: { wait_s: String(waitSeconds) } }),
    findJobs: query => request(settings, 'api/jobs', { query: textsOf(query) }),
    getJob: id => request(settings, job(id)),
    pauseJob: id => request(settings, `${job(id)}/pause`, { method: 'POST' }),
    resumeJob: id => request(settings, `${job(id)}/resume`, { method: 'POST' }),
    deleteJob: id => request(settings, job(id), { method: 'DELETE' }),
    restoreJob: id => request(settings, `${job(id)}/restore`, { method: 'POST' }),
    getDependencies: id => request(settings, `${job(id)}/dependencies`),
    listVersions: id => request(settings, `${job(id)}/versions`),
    getVersion: (id, version) => request(settings, `${job(id)}/versions/${version}`),
    rollback: (id, body) => request(settings, `${job(id)}/rollback`, { method: 'POST', body }),
    previewBackfill: (id, body) => request(settings, `${job(id)}/backfill/preview`, { method: 'POST', body }),
    backfill: (id, body) => start(settings, keys, `${job(id)}/backfill`, body),
    runJob: (id, body) => start(settings, keys, `${job(id)}/runs`, body),
    listRuns: (jobId, limit) => request(settings, 'api/runs', { query: { job_id: jobId, limit: String(limit) } }),
    getRun: id => request(settings, run(id)),
    cancelRun: id => request(settings, `${run(id)}/cancel`, { method: 'POST' }),
    rehearse: body => start(settings, keys, 'api/rehearsals', body),
    listRehearsals: (bundle, limit) => request(settings, 'api/rehearsals', { query: { bundle, limit: String(limit) } }),
    getRehearsal: (id, waitSeconds) => request(settings, rehearsal(id), { query: { wait_s: String(waitSeconds) } }),
    cancelRehearsal: id => request(settings, `${rehearsal(id)}/cancel`, { method: 'POST' })
  };
}

/** A query as the address carries it, without what is not given. */
function textsOf(query: object): Record<string, string> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}
