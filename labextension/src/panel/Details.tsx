import type { ReactNode } from 'react';
import { counted, duration, parityMark, statusMark, value } from '../model/format';
import { changedParams } from '../model/rows';
import type { Row } from '../model/types';
import { PhasesBar } from './PhasesBar';
import { Word } from './parts';

/** What else has no parity did not get so far that it could have been proven. */
const SERVED = new Set(['verified', 'deployed']);

/** All that is known of an iteration. What is unknown is left out. */
export function Details({ row, before }: { row: Row; before: Row | undefined }): JSX.Element {
  const params = Object.entries(row.params);
  const changes = changedParams(row, before);
  const way = [row.method === 'containeriter' ? '' : row.method, row.engine, row.hot ? 'hot' : ''].filter(Boolean);
  return (
    <div className="jp-ContainerIter-details">
      {row.error ? <p className="jp-ContainerIter-error">{row.error}</p> : null}
      <PhasesBar row={row} legend />
      <dl>
        <Fact term="Status">
          <Word mark={statusMark(row.status)} />
        </Fact>
        {row.parity || SERVED.has(row.status) ? <Fact term="Parity">{parityMark(row.parity).long}</Fact> : null}
        <Time term="Cycle" seconds={row.cycle_seconds} />
        <Time term="Thinking" seconds={row.think_seconds} />
        <Time term="Cells ran" seconds={row.run_seconds} />
        <Time term="Lead time" seconds={row.lead_seconds} />
        {way.length ? <Fact term="Runs on">{way.join(' · ')}</Fact> : null}
        {changes.length ? <Fact term="Changed">{changes.join(', ')}</Fact> : null}
        {params.length ? (
          <Fact term="Params">
            <details>
              <summary>{counted(params.length, 'param')}</summary>
              {params.map(([key, param]) => `${key} ${value(param)}`).join(', ')}
            </details>
          </Fact>
        ) : null}
        {row.notebook ? (
          <Fact term="Notebook">
            <span title={row.notebook}>{row.notebook.split('/').pop()}</span>
          </Fact>
        ) : null}
        {row.started_at ? <Fact term="Started">{new Date(row.started_at).toLocaleString()}</Fact> : null}
      </dl>
    </div>
  );
}

function Fact({ term, children }: { term: string; children: ReactNode }): JSX.Element {
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Time({ term, seconds }: { term: string; seconds: number | null | undefined }): JSX.Element | null {
  return typeof seconds === 'number' ? <Fact term={term}>{duration(seconds)}</Fact> : null;
}
