/** The words for the states and types of runs. */
import type { IWords } from '../../tokens/names.js';
import type { RunState } from '../../tokens/wire.js';

/** Say a run's state. */
export function runStateLabel(state: RunState, trans: IWords): string {
  const labels: Record<RunState, string> = {
    queued: trans.__('queued'),
    waiting: trans.__('waiting for tables'),
    running: trans.__('running'),
    retrying: trans.__('retrying'),
    succeeded: trans.__('done'),
    failed: trans.__('failed'),
    cancelled: trans.__('cancelled'),
    skipped: trans.__('skipped')
  };
  return labels[state];
}

/** Say what started a run. */
export function runTypeLabel(type: string, trans: IWords): string {
  const labels: Record<string, string> = {
    manual: trans.__('by hand'),
    scheduled: trans.__('scheduled'),
    backfill: trans.__('backfill'),
    asset_triggered: trans.__('by data')
  };
  return labels[type] ?? type;
}
