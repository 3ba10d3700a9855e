/** What a notebook panel must be so that it can be scheduled: on the user's own disk, with an id, saved. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';

import type { IAthenaApi } from '../api.js';
import { isCopy, jobsOf, type ReadNotebookId } from '../models/link.js';
import type { IWords } from '../tokens/names.js';

/** Give the notebook's path on Jupyter Server; throw if it lies on another drive. */
export function pathOf(panel: NotebookPanel, contents: Contents.IManager, trans: IWords): string {
  const { path } = panel.context;
  const drive = contents.driveName(path);
  // Real-time collaboration shows the same files through a drive of its own.
  if (drive !== '' && drive !== 'RTC') {
    throw new Error(
      trans.__("Cannot schedule '%1': it lies on the drive '%2'. Save a copy among your own files first.", path, drive)
    );
  }
  return contents.localPath(path);
}

/** Give the id that the notebook bears in its metadata, null if it has none. */
export function notebookIdOf(panel: NotebookPanel): string | null {
  const athena = panel.context.model.getMetadata('athena') as { notebook_id?: string } | undefined;
  return athena?.notebook_id ?? null;
}

/** Read the ids of notebooks on the disk; what is not there, or is no notebook, has none. */
export function idReader(contents: Contents.IManager): ReadNotebookId {
  return async path => {
    try {
      const file = await contents.get(path, { type: 'notebook', content: true });
      const notebook = file.content as { metadata?: { athena?: { notebook_id?: string } } };
      return notebook.metadata?.athena?.notebook_id ?? null;
    } catch {
      return null;
    }
  };
}

/** Give the notebook an id if it has none or bears that of the one it was copied from; save what is not on the disk. */
export async function saveForPromotion(panel: NotebookPanel, api: IAthenaApi, contents: Contents.IManager): Promise<void> {
  const { context } = panel;
  await context.ready;
  const notebook = { path: contents.localPath(context.path), notebookId: notebookIdOf(panel) };
  const jobs = await jobsOf(api, { path: notebook.path, notebook_id: notebook.notebookId });
  const isOwn = notebook.notebookId !== null && !(await isCopy(jobs, notebook, idReader(contents)));
  if (!isOwn) {
    const athena = context.model.getMetadata('athena') as object | undefined;
    context.model.setMetadata('athena', { ...athena, notebook_id: UUID.uuid4() });
  }
  if (context.model.dirty) {
    await context.save();
  }
}
