import { iterationsIcon } from '../icon';
import { LOAD_EXTENSION } from '../model/line';
import type { State } from '../model/store';
import { Notice } from './parts';

/** What stands in the way: no connection, no engine, and remarks of the server. */
export function Notices({ state, onRetry }: { state: State; onRetry: () => void }): JSX.Element {
  const { overview, problem, connection } = state;
  return (
    <>
      {problem ? (
        <Notice problem={problem} tone={connection === 'lost' ? 'doubtful' : 'bad'}>
          <button type="button" className="jp-ContainerIter-button" onClick={onRetry}>
            Try now
          </button>
        </Notice>
      ) : null}
      {overview?.problem ? <Notice problem={overview.problem} /> : null}
      {overview?.remarks.map(remark => (
        <Notice key={remark} tone="quiet" problem={{ message: remark, remedy: '' }} />
      ))}
    </>
  );
}

export function Loading(): JSX.Element {
  return (
    <div className="jp-ContainerIter-blank" role="status">
      <p>Asking the server…</p>
    </div>
  );
}

/** Lines that are broken between words only, where the panel is narrow. */
const EXAMPLE = [LOAD_EXTENSION.split(' '), ['%containerize', 'model', '--sample', 'X[:5]']];

/** Nothing was ever containerized: how to begin. */
export function Empty({ onContainerize }: { onContainerize: () => void }): JSX.Element {
  return (
    <div className="jp-ContainerIter-blank">
      <iterationsIcon.react tag="span" className="jp-ContainerIter-blankIcon" />
      <p className="jp-ContainerIter-noticeTitle">No iterations yet</p>
      <p>
        Fit a model in a notebook, then press <b>Containerize</b> in its toolbar, or run:
      </p>
      <pre>
        {EXAMPLE.map(words => (
          <div key={words[0]}>
            {words.map(word => (
              <span key={word}>{word} </span>
            ))}
          </div>
        ))}
      </pre>
      <button type="button" className="jp-ContainerIter-button" onClick={onContainerize}>
        Containerize…
      </button>
    </div>
  );
}

export function NothingFound({ onClear }: { onClear: () => void }): JSX.Element {
  return (
    <div className="jp-ContainerIter-blank" role="status">
      <p>No model is like that.</p>
      <button type="button" className="jp-ContainerIter-button" onClick={onClear}>
        Show all models
      </button>
    </div>
  );
}
