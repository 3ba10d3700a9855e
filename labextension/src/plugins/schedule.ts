/** The commands "Schedule this notebook", "Promote cell" and "Schedule this file", and the panel that they open. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, showErrorMessage, WidgetTracker } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { createApi, type IAthenaApi } from '../api.js';
import { PromotionModel } from '../models/promotion.js';
import { browserZone } from '../models/times.js';
import { COMMAND, type IWords, TRANSLATION_DOMAIN } from '../tokens/names.js';
import { promoteIcon, scheduleIcon } from '../views/icons.js';
import { SchedulePanel } from '../views/schedule/SchedulePanel.js';
import { cellsOf, followEdits } from './edits.js';
import { pathOf, saveForPromotion } from './promotable.js';
import { reportOf } from './report.js';

const PROMOTABLE = ['.ipynb', '.sql', '.py'];
const NO_ARGUMENTS = { args: { type: 'object', properties: {} } } as const;

/** What a panel is opened for. */
interface ISubject {
  path: string;
  cellIds: readonly string[];
  /** The widget beside whose tab the panel opens, if it is open. */
  beside: string | null;
  save: () => Promise<void>;
}

class Scheduler {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly notebooks: INotebookTracker,
    private readonly documents: IDocumentManager,
    private readonly trans: IWords
  ) {
    this.api = createApi(app.serviceManager.serverSettings);
  }

  /** Open the panel for a notebook, or for some of its cells. */
  openNotebook(notebook: NotebookPanel, cellIds: readonly string[]): void {
    const path = pathOf(notebook, this.app.serviceManager.contents, this.trans);
    this.open({ path, cellIds, beside: notebook.id, save: () => this.saveNotebook(path) });
  }

  /** Open the panel for a `.sql` or `.py` file, or for a notebook that need not be open. */
  openFile(path: string): void {
    const save = async () => {
      const context = this.documents.findWidget(path)?.context;
      if (context?.model.dirty) {
        await context.save();
      }
    };
    const beside = this.documents.findWidget(path)?.id ?? null;
    this.open({ path, cellIds: [], beside, save: path.endsWith('.ipynb') ? () => this.saveNotebook(path) : save });
  }

  /** Open the panel; one that is open already is shown again. */
  private open({ path, cellIds, beside, save }: ISubject): void {
    const id = `athena-schedule:${path}${cellIds.length > 0 ? `#${cellIds.join(',')}` : ''}`;
    const present = this.panels.find(panel => panel.id === id);
    if (present) {
      this.app.shell.activateById(present.id);
      return;
    }
    const stem = PathExt.basename(path, PathExt.extname(path));
    const model = new PromotionModel({
      api: this.api,
      trans: this.trans,
      target: { path, cellIds },
      timezone: browserZone(),
      defaultName: cellIds.length > 0 ? this.trans._n('%2 (cell)', '%2 (%1 cells)', cellIds.length, stem) : stem,
      save,
      content: () => this.contentOf(path),
      report: () => reportOf(this.notebookAt(path))
    });
    model.deployed.connect(() => {
      void this.app.commands.execute(COMMAND.showSidebar, { refreshOnly: true });
      void this.app.commands.execute(COMMAND.refreshVersions);
    });
    const content = new SchedulePanel({
      model,
      path,
      trans: this.trans,
      onOpenJob: jobId => void this.app.commands.execute(COMMAND.showSidebar, { jobId }),
      onOpenRehearsal: rehearsalId => void this.app.commands.execute(COMMAND.openOutput, { rehearsalId })
    });
    const panel = new MainAreaWidget({ content });
    panel.id = id;
    panel.toolbar.hide();
    panel.title.label = this.trans.__('Schedule %1', PathExt.basename(path));
    panel.title.icon = cellIds.length > 0 ? promoteIcon : scheduleIcon;
    panel.title.closable = true;
    void this.panels.add(panel);
    this.app.shell.add(panel, 'main', { mode: 'tab-after', ref: beside });
    this.app.shell.activateById(panel.id);
    this.followEditsOf(path, panel);
    void model.load();
  }

  private followEditsOf(path: string, panel: MainAreaWidget<SchedulePanel>): void {
    const { model } = panel.content;
    const noteEdit = () => model.noteEdit();
    const edits = followEdits(this.notebooks, noteEdit);
    const file = this.notebookAt(path) ? undefined : this.documents.findWidget(path)?.context.model;
    file?.contentChanged.connect(noteEdit);
    panel.disposed.connect(() => {
      edits.dispose();
      file?.contentChanged.disconnect(noteEdit);
    });
  }

  /** What the open file says, null where it is closed. */
  private contentOf(path: string): string | null {
    const notebook = this.notebookAt(path);
    if (notebook) {
      return notebook.context.isReady ? JSON.stringify(cellsOf(notebook)) : null;
    }
    const context = this.documents.findWidget(path)?.context;
    return context?.isReady ? context.model.toString() : null;
  }

  /** Save the notebook if it is still open; a closed one is what is on the disk. */
  private async saveNotebook(path: string): Promise<void> {
    const panel = this.notebookAt(path);
    if (panel) {
      await saveForPromotion(panel, this.api, this.app.serviceManager.contents);
    }
  }

  private notebookAt(path: string): NotebookPanel | undefined {
    const { contents } = this.app.serviceManager;
    return this.notebooks.find(item => contents.localPath(item.context.path) === path);
  }

  private readonly api: IAthenaApi;
  private readonly panels = new WidgetTracker<MainAreaWidget<SchedulePanel>>({ namespace: 'athena-schedule' });
}

/** The ids of the code cells that are selected, the active one among them, in the notebook's order. */
function selectedCells(notebook: NotebookPanel): string[] {
  const { content } = notebook;
  return content.widgets
    .filter(cell => cell.model.type === 'code' && content.isSelectedOrActive(cell))
    .map(cell => cell.model.id);
}

function addCommands(app: JupyterFrontEnd, notebooks: INotebookTracker, scheduler: Scheduler, trans: IWords): void {
  const open = async (notebook: NotebookPanel | null, cellsOf: (notebook: NotebookPanel) => string[]) => {
    try {
      if (notebook === null) {
        throw new Error(trans.__('Cannot schedule anything: no notebook is open. Open one first.'));
      }
      scheduler.openNotebook(notebook, cellsOf(notebook));
    } catch (reason) {
      await showErrorMessage(trans.__('Cannot schedule'), reason instanceof Error ? reason.message : String(reason));
    }
  };
  const isNotebook = () => notebooks.currentWidget !== null;
  const isCode = () => notebooks.activeCell?.model.type === 'code';
  app.commands.addCommand(COMMAND.scheduleNotebook, {
    label: trans.__('Schedule this notebook'),
    caption: trans.__('Schedule this notebook as a job that runs without you'),
    icon: scheduleIcon,
    isEnabled: isNotebook,
    describedBy: NO_ARGUMENTS,
    execute: () => open(notebooks.currentWidget, () => [])
  });
  app.commands.addCommand(COMMAND.promoteCell, {
    label: trans.__('Promote cell'),
    caption: trans.__('Schedule this cell, or the selected ones, with the earlier cells that they need, as a job'),
    icon: promoteIcon,
    isEnabled: () => isNotebook() && isCode(),
    isVisible: isCode,
    describedBy: NO_ARGUMENTS,
    execute: () => open(notebooks.currentWidget, selectedCells)
  });
  notebooks.activeCellChanged.connect(() => app.commands.notifyCommandChanged(COMMAND.promoteCell));
  notebooks.currentChanged.connect(() => app.commands.notifyCommandChanged(COMMAND.scheduleNotebook));
}

/** The command "Schedule this file" of the file browser's menu. */
function addFileCommand(app: JupyterFrontEnd, files: IFileBrowserFactory, scheduler: Scheduler, trans: IWords): void {
  const { contents } = app.serviceManager;
  const chosen = () => {
    const selected: Contents.IModel[] = [...(files.tracker.currentWidget?.selectedItems() ?? [])];
    // Only the user's own disk: other drives' paths mean nothing to Jupyter Server.
    const isFit = ({ path }: Contents.IModel) =>
      contents.driveName(path) === '' && PROMOTABLE.includes(PathExt.extname(path));
    return selected.length === 1 && isFit(selected[0]) ? selected[0].path : null;
  };
  app.commands.addCommand(COMMAND.scheduleFile, {
    label: trans.__('Schedule this file'),
    caption: trans.__('Schedule this notebook, SQL file or Python script as a job that runs without you'),
    icon: scheduleIcon,
    isVisible: () => chosen() !== null,
    describedBy: NO_ARGUMENTS,
    execute: () => {
      const path = chosen();
      if (path !== null) {
        scheduler.openFile(path);
      }
    }
  });
}

export const schedulePlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:schedule',
  description: 'Schedules a notebook, or a cell of it, as a job.',
  autoStart: true,
  requires: [INotebookTracker, IDocumentManager],
  optional: [ITranslator, ICommandPalette, IFileBrowserFactory],
  activate: (
    app,
    notebooks: INotebookTracker,
    documents: IDocumentManager,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    files: IFileBrowserFactory | null
  ) => {
    const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    const scheduler = new Scheduler(app, notebooks, documents, trans);
    addCommands(app, notebooks, scheduler, trans);
    if (files !== null) {
      addFileCommand(app, files, scheduler, trans);
    }
    for (const command of [COMMAND.scheduleNotebook, COMMAND.promoteCell]) {
      palette?.addItem({ command, category: trans.__('Athena') });
    }
  }
};
