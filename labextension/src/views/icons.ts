/** The pictures of buttons and tabs; their colours come from the theme through JupyterLab's icon classes. */
import { LabIcon } from '@jupyterlab/ui-components';

const draw = (name: string, path: string) =>
  new LabIcon({
    name: `athena:${name}`,
    svgstr:
      '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">' +
      `<path class="jp-icon3 jp-icon-selectable" fill="#616161" d="${path}"/></svg>`
  });

/** A calendar: schedule the whole notebook. */
export const scheduleIcon = draw(
  'schedule',
  'M19 4h-1V2h-2v2H8V2H6v2H5a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h14a2 2 0 0 0 2-2V6a2 2 0 0 0-2-2zm0 16H5V10h14zM7 12h5v5H7z'
);

/** An arrow out of a box: promote one cell. */
export const promoteIcon = draw('promote', 'M5 20h14v-2H5zm0-10h4v6h6v-6h4l-7-7z');

/** A clock that runs back: a job's versions. */
export const versionsIcon = draw(
  'versions',
  'M13 3a9 9 0 0 0-9 9H1l4 4 4-4H6a7 7 0 1 1 2.060 4.940l-1.420 1.420A9 9 0 1 0 13 3zm-1 5v5l4.280 2.540.720-1.210-3.500-2.080V8z'
);

/** An owl's face, Athena's bird: the sidebar. */
export const athenaIcon = draw(
  'athena',
  'M3 2v11c0 5 4 9 9 9s9-4 9-9V2l-5 3c-2.500-1-5.500-1-8 0zm5 5.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7zm8 0' +
    'a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7zM8 9.500a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3zm8 0a1.500 1.500 0 1 0 0 3 1.500 1.500 0 0 0 0-3zM12 14l1.500 2.500h-3z'
);
