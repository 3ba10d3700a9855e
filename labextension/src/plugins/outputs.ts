/** The read-only drive of the output notebooks of runs and rehearsals, and the command that opens one. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { Drive, RestContentProvider } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { COMMAND, DRIVE, type IWords, REHEARSALS, TRANSLATION_DOMAIN } from '../tokens/names.js';

const API_ENDPOINT = 'athena/contents';

/** An output is looked at: opening it must not start a kernel. */
const NO_KERNEL = { shouldStart: false, autoStartDefault: false } as const;

function addDrive(app: JupyterFrontEnd): void {
  const { contents, serverSettings } = app.serviceManager;
  const drive = new Drive({ name: DRIVE, apiEndpoint: API_ENDPOINT, serverSettings });
  // jupyter-collaboration asks every drive for its provider "rtc" (docprovider-extension, filebrowser.ts);
  // a drive without one could open no notebook while it is installed.
  drive.contentProviderRegistry.register('rtc', new RestContentProvider({ apiEndpoint: API_ENDPOINT, serverSettings }));
  contents.addDrive(drive);
}

async function openOutput(app: JupyterFrontEnd, documents: IDocumentManager, name: string, trans: IWords): Promise<void> {
  const path = `${DRIVE}:${name}.ipynb`;
  try {
    // Asked first, because a notebook that is not there yet would open as an empty tab behind an error.
    await app.serviceManager.contents.get(path, { content: false });
    const present = documents.findWidget(path, 'Notebook');
    if (present) {
      // The run may have gone on since it was opened.
      await present.context.revert();
    }
    documents.openOrReveal(path, 'Notebook', undefined, undefined, NO_KERNEL);
  } catch (reason) {
    await showErrorMessage(trans.__('Cannot open the output'), reason instanceof Error ? reason.message : String(reason));
  }
}

export const outputsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'athena-lab:outputs',
  description: 'Opens the output notebooks of runs.',
  autoStart: true,
  requires: [IDocumentManager],
  optional: [ITranslator],
  activate: (app, documents: IDocumentManager, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
    addDrive(app);
    app.commands.addCommand(COMMAND.openOutput, {
      label: trans.__('Open the output of a run'),
      caption: trans.__('Open the output notebook of a run or of a rehearsal, read-only'),
      isEnabled: () => true,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            runId: { type: 'string', description: trans.__('The run whose output is opened') },
            rehearsalId: { type: 'string', description: trans.__('The rehearsal whose output is opened') }
          }
        }
      },
      execute: ({ runId, rehearsalId }) => {
        const name = typeof rehearsalId === 'string' ? `${REHEARSALS}/${rehearsalId}` : runId;
        return typeof name === 'string' ? openOutput(app, documents, name, trans) : undefined;
      }
    });
  }
};
