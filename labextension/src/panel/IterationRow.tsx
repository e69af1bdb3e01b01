import { addBelowIcon, caretDownIcon, caretRightIcon, runIcon } from '@jupyterlab/ui-components';
import { memo, useId, useState } from 'react';
import { ago, callUntil, duration, metric, parityMark, statusMark } from '../model/format';
import type { Row } from '../model/types';
import { COMMANDS, type Execute } from '../tokens';
import { Details } from './Details';
import { Action, Word } from './parts';

interface Props {
  name: string;
  row: Row;
  /** The version before it. */
  before: Row | undefined;
  /** It serves the name now. */
  live: boolean;
  now: number;
  execute: Execute;
}

/** One iteration: what became of it, how long it took, what it measured, and what can be done with it. */
export const IterationRow = memo(function IterationRow(props: Props): JSX.Element {
  const { name, row, before, live, now, execute } = props;
  const [open, setOpen] = useState(false);
  const details = useId();
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <li
      className={`jp-ContainerIter-row${live ? ' jp-mod-live' : ''}`}
      aria-label={`Version ${row.version}${live ? ', live' : ''}`}
    >
      <div className="jp-ContainerIter-rowHead">
        <button
          type="button"
          className="jp-ContainerIter-disclosure"
          aria-expanded={open}
          aria-controls={details}
          aria-label={`Details of version ${row.version}`}
          onClick={() => setOpen(!open)}
        >
          <Caret.react tag="span" className="jp-ContainerIter-icon" />
          <span className="jp-ContainerIter-version">v{row.version}</span>
        </button>
        <Outcome row={row} />
        {live ? <span className="jp-ContainerIter-tag">live</span> : null}
        <span className="jp-ContainerIter-time" title={`The call took this long ${callUntil(row)}`}>
          {row.status === 'running' ? '' : duration(row.seconds)}
        </span>
      </div>
      <div className="jp-ContainerIter-rowBody">
        <Facts row={row} now={now} />
        <RowActions name={name} row={row} live={live} execute={execute} />
      </div>
      <div id={details} hidden={!open}>
        {open ? <Details row={row} before={before} /> : null}
      </div>
    </li>
  );
});

/** What became of it: what was proven where it was verified, else its status. */
function Outcome({ row }: { row: Row }): JSX.Element {
  if (row.status !== 'verified') {
    return <Word mark={statusMark(row.status)} />;
  }
  const parity = parityMark(row.parity);
  return <Word mark={parity} title={`Verified. ${parity.long}`} />;
}

function Facts({ row, now }: { row: Row; now: number }): JSX.Element {
  const metrics = Object.entries(row.metrics);
  return (
    <div className="jp-ContainerIter-facts">
      {row.note ? <div className="jp-ContainerIter-note">{row.note}</div> : null}
      <div className="jp-ContainerIter-measured">
        {metrics.map(([key, number]) => (
          <span key={key}>
            {key} <b>{metric(number)}</b>
          </span>
        ))}
        <span>{ago(row.finished_at, now)}</span>
      </div>
    </div>
  );
}

function RowActions({ name, row, live, execute }: Omit<Props, 'now' | 'before'>): JSX.Element {
  const args = { name, version: row.version };
  return (
    <span className="jp-ContainerIter-rowActions">
      {row.restorable ? (
        <Action
          icon={addBelowIcon}
          label={`Restore ${name}:${row.version} into the notebook`}
          onClick={() => execute(COMMANDS.restore, args)}
        />
      ) : null}
      {!live && row.deployable ? (
        <Action icon={runIcon} label={`Deploy ${name}:${row.version}`} onClick={() => execute(COMMANDS.deploy, args)} />
      ) : null}
    </span>
  );
}
