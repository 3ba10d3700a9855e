/** The chip on each notebook's toolbar, and the panel of a job's versions and differences that it opens. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, IToolbarWidgetRegistry, MainAreaWidget, showDialog, WidgetTracker } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';

import { createApi, type IAthenaApi } from '../api.js';
import { ChipModel } from '../models/chip.js';
import { VersionCache } from '../models/link.js';
import { VersionsModel } from '../models/versions.js';
import { COMMAND, type IWords, TRANSLATION_DOMAIN } from '../tokens/names.js';
import type { ICell, IJobVersion } from '../tokens/wire.js';
import { versionsIcon } from '../views/icons.js';
import { Chip } from '../views/versions/Chip.js';
import { VersionsPanel } from '../views/versions/VersionsPanel.js';
import { cellsOf, followEdits } from './edits.js';
import { idReader, notebookIdOf } from './promotable.js';

const REFRESH_MS = 30_000;

class Versions {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly notebooks: INotebookTracker,
    private readonly trans: IWords
  ) {
    this.api = createApi(app.serviceManager.serverSettings);
    this.contents = new VersionCache(this.api);
  }

  /** Make the chip of a notebook; it follows edits, renames, deployments, and asks again now and then. */
  makeChip(panel: NotebookPanel): Chip {
    const { contents } = this.app.serviceManager;
    const model = new ChipModel({
      api: this.api,
      versions: this.contents,
      read: idReader(contents),
      notebook: () => ({ path: contents.localPath(panel.context.path), notebookId: notebookIdOf(panel) }),
      cells: () => cellsOf(panel)
    });
    // Which job a notebook is, is known once its chip has asked: then an open panel may compare with it.
    model.changed.connect(() => this.panels.forEach(shown => shown.content.model.noteEdit()));
    const { context } = panel;
    const noteEdit = () => model.noteEdit();
    const refresh = () => void model.refresh();
    const poll = new Poll({
      name: 'athena:chip',
      auto: false,
      factory: () => model.refresh(),
      frequency: { interval: REFRESH_MS, backoff: false },
      standby: () => !panel.isVisible || document.hidden
    });
    void context.ready.then(() => {
      if (!panel.isDisposed) {
        context.model.contentChanged.connect(noteEdit);
        context.pathChanged.connect(refresh);
        void poll.start();
        refresh();
      }
    });
    const chip = new Chip({ model, trans: this.trans, onOpen: () => void this.openOf(model) });
    this.chips.set(panel, model);
    chip.disposed.connect(() => {
      poll.dispose();
      this.chips.delete(panel);
      // The document may outlive this view of it; without a view its model is gone already.
      context.pathChanged.disconnect(refresh);
      context.model?.contentChanged.disconnect(noteEdit);
    });
    return chip;
  }

  /** Ask for every chip and open panel anew. */
  async refresh(): Promise<void> {
    const panels: Promise<void>[] = [];
    this.panels.forEach(panel => panels.push(panel.content.model.load()));
    await Promise.all([...[...this.chips.values()].map(model => model.refresh()), ...panels]);
  }

  /** Open the panel of a job; an open one is shown again. */
  open(jobId: string): void {
    const id = `athena-versions:${jobId}`;
    const present = this.panels.find(panel => panel.id === id);
    if (present) {
      this.app.shell.activateById(id);
      void present.content.model.load();
      return;
    }
    const model: VersionsModel = new VersionsModel({
      api: this.api,
      versions: this.contents,
      jobId,
      cells: () => this.cellsOfJob(model)
    });
    model.deployed.connect(() => {
      void this.app.commands.execute(COMMAND.showSidebar, { refreshOnly: true });
      this.chips.forEach(chip => void chip.refresh());
    });
    const content = new VersionsPanel({
      model,
      trans: this.trans,
      onConfirmRollback: version => confirmRollback(version, this.trans)
    });
    const panel = new MainAreaWidget({ content });
    panel.id = id;
    panel.toolbar.hide();
    panel.title.label = this.trans.__('Versions');
    panel.title.icon = versionsIcon;
    panel.title.closable = true;
    model.changed.connect((_, state) => {
      panel.title.label = this.trans.__('Versions of %1', state.job?.name ?? jobId);
    });
    void this.panels.add(panel);
    this.app.shell.add(panel, 'main', { mode: 'tab-after', ref: this.notebooks.currentWidget?.id ?? null });
    this.app.shell.activateById(id);
    const edits = followEdits(this.notebooks, () => model.noteEdit());
    panel.disposed.connect(() => edits.dispose());
    void model.load();
  }

  private async openOf(model: ChipModel): Promise<void> {
    const { job } = model.state;
    if (job !== null) {
      this.open(job.id);
    } else {
      await this.app.commands.execute(COMMAND.scheduleNotebook);
    }
  }

  private cellsOfJob(model: VersionsModel): ICell[] | null {
    const panel = this.notebookOf(model);
    // A promoted cell's notebook holds only what it needs: the open notebook is another thing.
    return panel && model.state.job?.source.cell_id === null ? cellsOf(panel) : null;
  }

  private notebookOf(model: VersionsModel): NotebookPanel | undefined {
    const id = model.state.job?.id;
    return id === undefined
      ? undefined
      : this.notebooks.find(panel => panel.context.isReady && this.chips.get(panel)?.state.job?.id === id);
  }

  private readonly api: IAthenaApi;
  private readonly contents: VersionCache;
  private readonly chips = new Map<NotebookPanel, ChipModel>();
  private readonly panels = new WidgetTracker<MainAreaWidget<VersionsPanel>>({ namespace: 'athena-versions' });
}

async function confirmRollback(version: IJobVersion, trans: IWords): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Roll back to v%1?', version.version),
    body: trans.__(
      'Its notebook, schedule and parameters are deployed again as a new version. The open notebook stays as it is, and runs under way keep the version they began with.'
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: trans.__('Roll back'), ariaLabel: trans.__('Roll back to v%1', version.version) })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

function addCommands(app: JupyterFrontEnd, versions: Versions, trans: IWords): void {
  app.commands.addCommand(COMMAND.showVersions, {
    label: trans.__('Show the versions of a job'),
    caption: trans.__('Show what differs between a job and its notebook, and its earlier versions'),
    isEnabled: () => true,
    describedBy: {
      args: {
        type: 'object',
        properties: { jobId: { type: 'string', description: trans.__('The job whose versions are shown') } },
        required: ['jobId']
      }
    },
    execute: args => versions.open(args.jobId as string)
  });
  app.commands.addCommand(COMMAND.refreshVersions, {
    label: trans.__('Read the versions of jobs anew'),
    caption: trans.__('Ask again how notebooks and their jobs stand'),
    isEnabled: () => true,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => versions.refresh()
  });
}

export const versionsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:versions',
  description: 'Says how each notebook and its job stand, shows what differs, and rolls back.',
  autoStart: true,
  requires: [INotebookTracker, IToolbarWidgetRegistry],
  optional: [ITranslator],
  activate: (app, notebooks: INotebookTracker, toolbars: IToolbarWidgetRegistry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    const versions = new Versions(app, notebooks, trans);
    toolbars.addFactory<NotebookPanel>('Notebook', 'athena-chip', panel => versions.makeChip(panel));
    addCommands(app, versions, trans);
  }
};
