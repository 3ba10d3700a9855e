/** The Athena sidebar and the command that shows it. */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { createApi } from '../api.js';
import { JobsModel } from '../models/jobs.js';
import { COMMAND, type IWords, RUN_IN_ADDRESS, SIDEBAR_ID, TRANSLATION_DOMAIN } from '../tokens/names.js';
import type { IJob } from '../tokens/wire.js';
import { SidebarPanel } from '../views/sidebar/SidebarPanel.js';

async function confirmDelete(job: IJob, trans: IWords): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Delete the job “%1”?', job.name),
    body: trans.__('It will not run again. Its notebook stays where it is, and its runs stay in the history.'),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep') }),
      Dialog.warnButton({ label: trans.__('Delete'), ariaLabel: trans.__('Delete the job') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

function createSidebar(app: JupyterFrontEnd, model: JobsModel, trans: IWords): SidebarPanel {
  return new SidebarPanel({
    model,
    trans,
    onOpenOutput: runId => void app.commands.execute(COMMAND.openOutput, { runId }),
    onOpenNotebook: path => void app.commands.execute('docmanager:open', { path }),
    onOpenVersions: jobId => void app.commands.execute(COMMAND.showVersions, { jobId }),
    onConfirmDelete: job => confirmDelete(job, trans)
  });
}

function addCommand(app: JupyterFrontEnd, model: JobsModel, trans: IWords): void {
  app.commands.addCommand(COMMAND.showSidebar, {
    label: trans.__('Show the Athena sidebar'),
    caption: trans.__('Show scheduled jobs and their runs'),
    isEnabled: () => true,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          jobId: { type: 'string', description: trans.__('The job whose runs are shown') },
          refreshOnly: { type: 'boolean', description: trans.__('Read the jobs anew without showing the sidebar') }
        }
      }
    },
    execute: async args => {
      if (args.refreshOnly === true) {
        await model.poke();
        return;
      }
      app.shell.activateById(SIDEBAR_ID);
      await (typeof args.jobId === 'string' ? model.reveal(args.jobId) : model.poke());
    }
  });
}

/** Show the run that the page's address names: alerts link to it. */
async function showLinkedRun(app: JupyterFrontEnd, model: JobsModel): Promise<void> {
  const runId = new URLSearchParams(window.location.search).get(RUN_IN_ADDRESS);
  if (runId !== null) {
    app.shell.activateById(SIDEBAR_ID);
    await model.revealRun(runId);
  }
}

export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:sidebar',
  description: 'Lists scheduled jobs and follows their runs.',
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    const model = new JobsModel(createApi(app.serviceManager.serverSettings));
    const sidebar = createSidebar(app, model, trans);
    addCommand(app, model, trans);
    app.shell.add(sidebar, 'left', { rank: 450, type: 'Athena' });
    restorer?.add(sidebar, SIDEBAR_ID);
    void app.restored.then(() => showLinkedRun(app, model));
    palette?.addItem({ command: COMMAND.showSidebar, category: trans.__('Athena') });
  }
};
