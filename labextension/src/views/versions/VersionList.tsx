/** A job's versions, the newest first: who deployed which when and why, and the way back. */
import React from 'react';

import { formatIn } from '../../models/times.js';
import type { IVersionsState } from '../../models/versions.js';
import type { IWords } from '../../tokens/names.js';
import type { IJobVersion } from '../../tokens/wire.js';

export interface IVersionListProps {
  state: IVersionsState;
  trans: IWords;
  onChoose: (version: number) => void;
  onRollback: (version: IJobVersion) => void;
}

/** Show the versions. */
export function VersionList({ state, trans, onChoose, onRollback }: IVersionListProps): React.JSX.Element {
  const zone = state.job?.schedule.timezone ?? 'UTC';
  return (
    <section className="jp-Athena-versionList" aria-label={trans.__('Versions')}>
      <h3>{trans.__('Versions')}</h3>
      <ol reversed>
        {state.versions.map((version, index) => (
          <li
            key={version.version}
            aria-label={trans.__('Version %1', version.version)}
            className={version.version === state.chosen ? 'jp-mod-selected' : ''}
          >
            <button
              type="button"
              className="jp-Athena-versionName"
              aria-pressed={version.version === state.chosen}
              onClick={() => onChoose(version.version)}
            >
              <strong>v{version.version}</strong>
              {index === 0 && <span className="jp-Athena-badge jp-Athena-badge-active">{trans.__('current')}</span>}
              {version.origin !== null && (
                <span className="jp-Athena-badge">{trans.__('same as v%1', version.origin)}</span>
              )}
              <Rehearsed at={version.rehearsed_at} zone={zone} trans={trans} />
              <span className="jp-Athena-versionMessage">{version.message || trans.__('no message')}</span>
              <span className="jp-Athena-hint">
                {trans.__('%1, %2', version.deployed_by, formatIn(zone, new Date(version.deployed_at)))}
              </span>
            </button>
            {index > 0 && (
              <button
                type="button"
                className="jp-mod-styled"
                disabled={state.pending !== null}
                onClick={() => onRollback(version)}
              >
                {trans.__('Roll back to v%1', version.version)}
              </button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Rehearsed({ at, zone, trans }: { at: string | null; zone: string; trans: IWords }): React.JSX.Element {
  return at === null ? (
    <span className="jp-Athena-badge">{trans.__('not rehearsed')}</span>
  ) : (
    <span className="jp-Athena-badge" title={formatIn(zone, new Date(at))}>
      {trans.__('rehearsed')}
    </span>
  );
}
