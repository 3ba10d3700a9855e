/** The commands "Schedule this notebook" and "Promote cell", and the panel that they open. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, showErrorMessage, WidgetTracker } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { createApi, type IAthenaApi } from '../api.js';
import { PromotionModel } from '../models/promotion.js';
import { browserZone } from '../models/times.js';
import { COMMAND, type IWords, TRANSLATION_DOMAIN } from '../tokens/names.js';
import { promoteIcon, scheduleIcon } from '../views/icons.js';
import { SchedulePanel } from '../views/schedule/SchedulePanel.js';
import { pathOf, saveForPromotion } from './promotable.js';

const NO_ARGUMENTS = { args: { type: 'object', properties: {} } } as const;

class Scheduler {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly notebooks: INotebookTracker,
    private readonly trans: IWords
  ) {
    this.api = createApi(app.serviceManager.serverSettings);
  }

  /** Open the panel for a notebook, or for one of its cells; an open one is shown again. */
  open(notebook: NotebookPanel, cellId: string | null): void {
    const path = pathOf(notebook, this.app.serviceManager.contents, this.trans);
    const id = `athena-schedule:${path}${cellId ? `#${cellId}` : ''}`;
    const present = this.panels.find(panel => panel.id === id);
    if (present) {
      this.app.shell.activateById(present.id);
      return;
    }
    const stem = PathExt.basename(path, '.ipynb');
    const model = new PromotionModel({
      api: this.api,
      trans: this.trans,
      path,
      cellId,
      timezone: browserZone(),
      defaultName: cellId ? this.trans.__('%1 (cell)', stem) : stem,
      save: () => this.save(path)
    });
    model.deployed.connect(() => {
      void this.app.commands.execute(COMMAND.showSidebar, { refreshOnly: true });
      void this.app.commands.execute(COMMAND.refreshVersions);
    });
    const content = new SchedulePanel({
      model,
      path,
      trans: this.trans,
      onOpenJob: jobId => void this.app.commands.execute(COMMAND.showSidebar, { jobId })
    });
    const panel = new MainAreaWidget({ content });
    panel.id = id;
    panel.toolbar.hide();
    panel.title.label = this.trans.__('Schedule %1', PathExt.basename(path));
    panel.title.icon = cellId ? promoteIcon : scheduleIcon;
    panel.title.closable = true;
    void this.panels.add(panel);
    this.app.shell.add(panel, 'main', { mode: 'tab-after', ref: notebook.id });
    this.app.shell.activateById(panel.id);
    void model.load();
  }

  /** Save the notebook if it is still open; a closed one is what is on the disk. */
  private async save(path: string): Promise<void> {
    const { contents } = this.app.serviceManager;
    const panel = this.notebooks.find(item => contents.localPath(item.context.path) === path);
    if (panel) {
      await saveForPromotion(panel, this.api, contents);
    }
  }

  private readonly api: IAthenaApi;
  private readonly panels = new WidgetTracker<MainAreaWidget<SchedulePanel>>({ namespace: 'athena-schedule' });
}

function addCommands(app: JupyterFrontEnd, notebooks: INotebookTracker, trans: IWords): void {
  const scheduler = new Scheduler(app, notebooks, trans);
  const open = async (notebook: NotebookPanel | null, cellId: string | null) => {
    try {
      if (notebook === null) {
        throw new Error(trans.__('Cannot schedule anything: no notebook is open. Open one first.'));
      }
      scheduler.open(notebook, cellId);
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
    execute: () => open(notebooks.currentWidget, null)
  });
  app.commands.addCommand(COMMAND.promoteCell, {
    label: trans.__('Promote cell'),
    caption: trans.__('Schedule this cell, with the earlier cells that it needs, as a job'),
    icon: promoteIcon,
    isEnabled: () => isNotebook() && isCode(),
    isVisible: isCode,
    describedBy: NO_ARGUMENTS,
    execute: () => open(notebooks.currentWidget, notebooks.activeCell?.model.id ?? null)
  });
  notebooks.activeCellChanged.connect(() => app.commands.notifyCommandChanged(COMMAND.promoteCell));
  notebooks.currentChanged.connect(() => app.commands.notifyCommandChanged(COMMAND.scheduleNotebook));
}

export const schedulePlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:schedule',
  description: 'Schedules a notebook, or a cell of it, as a job.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette],
  activate: (app, notebooks: INotebookTracker, translator: ITranslator | null, palette: ICommandPalette | null) => {
    const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    addCommands(app, notebooks, trans);
    for (const command of [COMMAND.scheduleNotebook, COMMAND.promoteCell]) {
      palette?.addItem({ command, category: trans.__('Athena') });
    }
  }
};
