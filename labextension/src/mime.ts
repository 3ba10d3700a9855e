/** Registers the grid for query results, wherever JupyterLab shows outputs. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator } from '@jupyterlab/translation';

import { RESULT_MIME, TRANSLATION_DOMAIN } from './tokens/names.js';
import { ResultGrid } from './views/grid/ResultGrid.js';

const extension: IRenderMime.IExtension = {
  id: 'athena-lab:result',
  description: 'Shows the result of a %%athena cell as a grid.',
  rendererFactory: {
    safe: true,
    mimeTypes: [RESULT_MIME],
    createRenderer: options =>
      new ResultGrid(options.mimeType, (options.translator ?? nullTranslator).load(TRANSLATION_DOMAIN))
  },
  rank: 0,
  dataType: 'json'
};

export default extension;
