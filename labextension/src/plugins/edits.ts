/** What open notebooks say, and when that may have changed. */
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

import type { ICell } from '../tokens/wire.js';

/** Read an open notebook's cells from its shared document, without outputs. */
export function cellsOf(panel: NotebookPanel): ICell[] {
  const cells = panel.context.model.sharedModel.cells;
  return cells.map(cell => {
    const tags = cell.getMetadata('tags') as string[] | undefined;
    return { id: cell.id, cell_type: cell.cell_type, source: cell.getSource(), metadata: tags?.length ? { tags } : {} };
  });
}

/** Call `noteEdit` whenever a notebook was opened, edited or closed, until what is given is disposed. */
export function followEdits(notebooks: INotebookTracker, noteEdit: () => void): IDisposable {
  const follow = (_: INotebookTracker, notebook: NotebookPanel) =>
    void notebook.context.ready.then(() => {
      noteEdit();
      notebook.context.model?.contentChanged.connect(noteEdit);
      notebook.disposed.connect(noteEdit);
    });
  notebooks.forEach(notebook => follow(notebooks, notebook));
  notebooks.widgetAdded.connect(follow);
  return new DisposableDelegate(() => {
    notebooks.widgetAdded.disconnect(follow);
    notebooks.forEach(notebook => {
      notebook.context.model?.contentChanged.disconnect(noteEdit);
      notebook.disposed.disconnect(noteEdit);
    });
  });
}
