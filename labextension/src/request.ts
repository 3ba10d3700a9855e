/** The only file that fetches: one request to the labserver, its answer as JSON or a `Failure`. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { Failure, failureOf } from './tokens/failure.js';
import { KEY_HEADER, type Keys } from './tokens/keys.js';
import type { IErrorBody } from './tokens/wire.js';

export interface IRequestOptions {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string>;
  body?: object;
  signal?: AbortSignal;
  /** What the gateway knows the request by when it is sent again. */
  key?: string;
}

/** Before each new try where nothing answered. */
const PAUSES_MS = [500, 1000, 2000];
/** How often, and how many times, it is asked again while the first try is still being answered. */
const LOOK_MS = 500;
const MOST_LOOKS = 60;

/** Send a request below `/athena/` and give the JSON that answers it; throw `Failure` otherwise. */
export async function request<T>(
  settings: ServerConnection.ISettings,
  path: string,
  options: IRequestOptions = {}
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'athena', path) + URLExt.objectToQueryString(options.query ?? {});
  const init: RequestInit = { method: options.method ?? 'GET', signal: options.signal };
  if (options.key) {
    init.headers = { [KEY_HEADER]: options.key };
  }
  if (init.method === 'POST') {
    init.body = JSON.stringify(options.body ?? {});
  }
  let response: Response;
  let text: string;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
    text = await response.text();
  } catch (reason) {
    throw new Failure(0, {
      error: 'UnreachableError',
      message: `Cannot reach Jupyter Server at '${settings.baseUrl}': ${String(reason)}. Start it, then try again.`,
      faults: [],
      error_id: null
    });
  }
  if (!response.ok) {
    throw new Failure(response.status, errorOf(text, response.status, path));
  }
  return JSON.parse(text) as T;
}

/** Start something by a POST: sent again, by itself or by the user, where nothing answered, it starts once. */
export async function start<T>(
  settings: ServerConnection.ISettings,
  keys: Keys,
  path: string,
  body: object
): Promise<T> {
  const name = `${path} ${JSON.stringify(body)}`;
  const key = keys.keyOf(name, Date.now());
  const pauses = [...PAUSES_MS];
  for (let looks = 0; ; ) {
    try {
      const answer = await request<T>(settings, path, { method: 'POST', body, key });
      keys.answered(name);
      return answer;
    } catch (reason) {
      const failure = failureOf(reason);
      const isInProgress = failure.body.error === 'InProgressError' && looks < MOST_LOOKS;
      const pause = isInProgress ? LOOK_MS : failure.isSilence ? pauses.shift() : undefined;
      looks += isInProgress ? 1 : 0;
      if (pause === undefined) {
        if (!failure.isUnreachable) {
          keys.answered(name);
        }
        throw failure;
      }
      await new Promise(resolve => setTimeout(resolve, pause));
    }
  }
}

function errorOf(text: string, status: number, path: string): IErrorBody {
  try {
    const body = JSON.parse(text) as Partial<IErrorBody>;
    if (body.message) {
      return { error: 'HTTPError', error_id: null, ...body, message: body.message, faults: body.faults ?? [] };
    }
  } catch {
    // Not JSON: a proxy between browser and Jupyter Server answered with a page of its own.
  }
  const message = `Cannot ask Athena for '${path}': the server answered HTTP ${status}. Reload the page and try again.`;
  return { error: 'HTTPError', message, faults: [], error_id: null };
}
