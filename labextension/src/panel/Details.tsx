import type { ReactNode } from 'react';
import type { Api } from '../model/api';
import { counted, duration, parityMark, statusMark, value } from '../model/format';
import { changedParams } from '../model/rows';
import type { Row, ShortRow } from '../model/types';
import { PhasesBar } from './PhasesBar';
import { useDetails } from './hooks';
import { Notice, Word } from './parts';

interface Props {
  name: string;
  row: ShortRow;
  api: Api;
}

/** All that is known of an iteration; what lists do not show is asked for. What is unknown is left out. */
export function Details({ name, row, api }: Props): JSX.Element {
  const { full, before, problem } = useDetails(api, name, row);
  return (
    <div className="jp-ContainerIter-details" aria-busy={!full && !problem}>
      {row.error ? <p className="jp-ContainerIter-error">{row.error}</p> : null}
      <PhasesBar row={row} legend />
      <dl>
        <Fact term="Status">
          <Word mark={statusMark(row.status)} />
        </Fact>
        <Fact term="Parity">{parityMark(row.parity).long}</Fact>
        <Time term="Cycle" seconds={row.cycle_seconds} />
        {full ? <More row={full} before={before} /> : null}
        {row.notebook ? (
          <Fact term="Notebook">
            <span title={row.notebook}>{row.notebook.split('/').pop()}</span>
          </Fact>
        ) : null}
      </dl>
      {problem ? <Notice problem={problem} /> : null}
    </div>
  );
}

function More({ row, before }: { row: Row; before: Row | undefined }): JSX.Element {
  const params = Object.entries(row.params);
  const changes = changedParams(row, before);
  const way = [row.method === 'containeriter' ? '' : row.method, row.engine, row.hot ? 'hot' : ''].filter(Boolean);
  return (
    <>
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
      {row.started_at ? <Fact term="Started">{new Date(row.started_at).toLocaleString()}</Fact> : null}
    </>
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
