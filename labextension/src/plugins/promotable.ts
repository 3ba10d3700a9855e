/** What a notebook panel must be so that it can be scheduled: on the user's own disk, with an id, saved. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';

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

/** Give the notebook its id if it has none, and save it if the file is not what is on the screen. */
export async function saveForPromotion(panel: NotebookPanel): Promise<void> {
  const { context } = panel;
  await context.ready;
  const athena = context.model.getMetadata('athena') as { notebook_id?: string } | undefined;
  if (!athena?.notebook_id) {
    context.model.setMetadata('athena', { ...athena, notebook_id: UUID.uuid4() });
  }
  if (context.model.dirty) {
    await context.save();
  }
}
