/** Asks a notebook's live kernel what it ran, holds and has imported, without running any cell. */
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { IKernelReport } from '../tokens/wire.js';

/** What `athena_lab/kernel/report.py` answers to. */
const EXPRESSION = "__import__('athena_lab.kernel.report', fromlist=['report']).report()";
const PATIENCE_MS = 3000;

interface IExpressionReply {
  user_expressions?: { report?: { data?: { 'application/json'?: unknown } } };
}

/** Give the report; null where no idle kernel answers, or none that knows Athena: the file alone is read then. */
export async function reportOf(notebook: NotebookPanel | undefined): Promise<IKernelReport | null> {
  const kernel = notebook?.sessionContext.session?.kernel;
  if (!kernel || kernel.status !== 'idle') {
    return null;
  }
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { report: EXPRESSION }
  });
  const late = new Promise<null>(resolve => setTimeout(() => resolve(null), PATIENCE_MS));
  const reply = await Promise.race([future.done, late]);
  if (reply === null) {
    future.dispose();
    return null;
  }
  const content = reply.content as IExpressionReply;
  return (content.user_expressions?.report?.data?.['application/json'] as IKernelReport | undefined) ?? null;
}
