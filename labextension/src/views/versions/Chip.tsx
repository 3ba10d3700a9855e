/** The chip on a notebook's toolbar: how the notebook and its deployed version stand. */
import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { type ChipModel, chipText, type IChipState } from '../../models/chip.js';
import type { IWords } from '../../tokens/names.js';
import { useModelState } from '../modelState.js';

export interface IChipProps {
  model: ChipModel;
  trans: IWords;
  /** Pressed: show the differences, or the form of a notebook that is not scheduled. */
  onOpen: () => void;
}

/** The chip as a Lumino widget; it owns its model. */
export class Chip extends ReactWidget {
  constructor(private readonly props: IChipProps) {
    super();
    this.addClass('jp-Athena-chipBox');
  }

  override dispose(): void {
    this.props.model.dispose();
    super.dispose();
  }

  protected override render(): React.JSX.Element {
    return <ChipButton {...this.props} />;
  }
}

function ChipButton({ model, trans, onOpen }: IChipProps): React.JSX.Element {
  const state = useModelState(model);
  const text = chipText(state, trans);
  return (
    <button
      type="button"
      className={`jp-Athena-chip jp-Athena-chip-${standingOf(state)}`}
      hidden={text === ''}
      title={captionOf(state, trans)}
      aria-label={trans.__('Schedule: %1', text)}
      onClick={onOpen}
    >
      {text}
    </button>
  );
}

function standingOf({ job, count, failure }: IChipState): string {
  if (failure !== null || job === null) {
    return 'none';
  }
  return count ? 'differs' : 'current';
}

function captionOf({ job, failure }: IChipState, trans: IWords): string {
  if (failure !== null) {
    return failure.message;
  }
  return job
    ? trans.__('Scheduled as “%1”. Show its versions and what differs from the notebook.', job.name)
    : trans.__('Schedule this notebook');
}
