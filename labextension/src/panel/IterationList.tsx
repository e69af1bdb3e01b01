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
  const { rows, wanted, problem, more } = useIterations(api, model);
  const loading = !problem && (rows === null || rows.length < Math.min(wanted, model.total));
  const hidden = model.total - Math.min(wanted, rows?.length ?? 0);
  return (
    <>
      <ol className="jp-ContainerIter-rows" aria-label={`Iterations of ${model.name}`} aria-busy={loading}>
        {rows?.slice(0, wanted).map((row, index) => (
          <IterationRow
            key={row.version}
            name={model.name}
            row={row}
            before={rows[index + 1]}
            live={model.live?.version === row.version}
            now={now}
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
