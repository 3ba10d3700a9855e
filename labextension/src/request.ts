/** The only file that fetches: one request to the labserver, its answer as JSON or a `Failure`. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { Failure } from './tokens/failure.js';
import type { IErrorBody } from './tokens/wire.js';

export interface IRequestOptions {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Record<string, string>;
  body?: object;
  signal?: AbortSignal;
}

/** Send a request below `/athena/` and give the JSON that answers it; throw `Failure` otherwise. */
export async function request<T>(
  settings: ServerConnection.ISettings,
  path: string,
  options: IRequestOptions = {}
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'athena', path) + URLExt.objectToQueryString(options.query ?? {});
  const init: RequestInit = { method: options.method ?? 'GET', signal: options.signal };
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
