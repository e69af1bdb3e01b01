import type { ReactNode } from 'react';
import { duration, parityMark, statusMark, value } from '../model/format';
import type { Row } from '../model/types';
import { PhasesBar } from './PhasesBar';
import { Word } from './parts';

/** All that is known of an iteration. What is unknown is left out. */
export function Details({ row }: { row: Row }): JSX.Element {
  const params = Object.entries(row.params);
  const way = [row.method === 'containeriter' ? '' : row.method, row.engine, row.hot ? 'hot' : ''].filter(Boolean);
  return (
    <div className="jp-ContainerIter-details">
      {row.error ? <p className="jp-ContainerIter-error">{row.error}</p> : null}
      <PhasesBar row={row} legend />
      <dl>
        <Fact term="Status">
          <Word mark={statusMark(row.status)} />
        </Fact>
        <Fact term="Parity">{parityMark(row.parity).long}</Fact>
        <Time term="Cycle" seconds={row.cycle_seconds} />
        <Time term="Thinking" seconds={row.think_seconds} />
        <Time term="Running cells" seconds={row.run_seconds} />
        <Time term="Since the model changed" seconds={row.lead_seconds} />
        {way.length ? <Fact term="Runs on">{way.join(' · ')}</Fact> : null}
        {params.length ? (
          <Fact term="Params">{params.map(([key, param]) => `${key} ${value(param)}`).join(', ')}</Fact>
        ) : null}
        {row.notebook ? <Fact term="Notebook">{row.notebook}</Fact> : null}
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
