import type { Api } from '../model/api';
import type { Model } from '../model/types';
import type { Execute } from '../tokens';
import { IterationRow } from './IterationRow';
import { useIterations } from './hooks';
import { Notice } from './parts';

interface Props {
  model: Model;
  now: number;
  api: Api;
  execute: Execute;
}

/** The iterations of a model, newest first, a page at a time. */
export function IterationList({ model, now, api, execute }: Props): JSX.Element {
  const { rows, hidden, loading, problem, more } = useIterations(api, model);
  return (
    <>
      <ol className="jp-ContainerIter-rows" aria-label={`Iterations of ${model.name}`} aria-busy={loading}>
        {rows.map(row => (
          <IterationRow
            key={row.version}
            name={model.name}
            row={row}
            live={model.live?.version === row.version}
            now={now}
            api={api}
            execute={execute}
          />
        ))}
      </ol>
      {problem ? <Notice problem={problem} /> : null}
      {hidden > 0 ? (
        <button type="button" className="jp-ContainerIter-more" disabled={loading} onClick={more}>
          {loading ? 'Loading…' : `Show older (${hidden} more)`}
        </button>
      ) : null}
    </>
  );
}
