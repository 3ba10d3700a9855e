/** The names that other code, settings and tests know: commands, drive, MIME type, plugins. */

export const COMMAND = {
  scheduleNotebook: 'athena:schedule-notebook',
  promoteCell: 'athena:promote-cell',
  scheduleFile: 'athena:schedule-file',
  showVersions: 'athena:show-versions',
  refreshVersions: 'athena:refresh-versions',
  showSidebar: 'athena:show-sidebar',
  openOutput: 'athena:open-output'
} as const;

export const DRIVE = 'AthenaRuns';
/** The drive's folder of the output notebooks of rehearsals (`athena_lab/labserver/outputs.py`). */
export const REHEARSALS = 'rehearsals';
export const RESULT_MIME = 'application/vnd.athena.result+json';
/** The part of an address that names a run (`athena_lab/gateway/stewards.py` writes it). */
export const RUN_IN_ADDRESS = 'athena-run';
export const SIDEBAR_ID = 'athena-sidebar';
export const TRANSLATION_DOMAIN = 'athena_lab';

/** What views and models need of a translation bundle: `__` puts arguments in place of %1, %2, … */
export interface IWords {
  __(message: string, ...values: (string | number)[]): string;
  _n(singular: string, plural: string, count: number, ...values: (string | number)[]): string;
}
