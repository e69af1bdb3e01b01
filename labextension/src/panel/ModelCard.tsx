import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import { memo, useId } from 'react';
import type { Api } from '../model/api';
import { isBad } from '../model/chart';
import { ago, callUntil, duration, parityMark, statusMark } from '../model/format';
import type { Live, Model, Working } from '../model/types';
import type { Execute } from '../tokens';
import { IterationList } from './IterationList';
import { ModelActions } from './ModelActions';
import { PhasesBar, Steps } from './PhasesBar';
import { Trend } from './Trend';
import { elapsedSeconds } from '../model/rows';
import { useNow } from './hooks';
import { Word } from './parts';

export interface ModelProps {
  model: Model;
  open: boolean;
  onToggle: (name: string) => void;
  now: number;
  /** What the server's clock is ahead of this browser's, in milliseconds. */
  clockOffset: number;
  /** Whether engines answer; without them nobody knows what runs. */
  known: boolean;
  api: Api;
  execute: Execute;
}

/** One model: what serves it, what happens to it, how its iterations went, and all of them when it is opened. */
export const ModelCard = memo(function ModelCard(props: ModelProps): JSX.Element {
  const { model, open, onToggle, now, clockOffset, known, api, execute } = props;
  const body = useId();
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <li className="jp-ContainerIter-model" aria-label={model.name}>
      <div className="jp-ContainerIter-modelHead">
        <h3>
          <button
            type="button"
            className="jp-ContainerIter-disclosure"
            aria-expanded={open}
            aria-controls={body}
            onClick={() => onToggle(model.name)}
          >
            <Caret.react tag="span" className="jp-ContainerIter-icon" />
            <span className="jp-ContainerIter-name">{model.name}</span>
          </button>
        </h3>
        <Serving live={model.live} known={known} />
      </div>
      <div className="jp-ContainerIter-modelFacts">
        <Standing model={model} now={now} />
        {model.working ? <UnderWay working={model.working} clockOffset={clockOffset} /> : null}
        <Times model={model} />
      </div>
      <div id={body} className="jp-ContainerIter-modelBody" hidden={!open}>
        {open ? (
          <>
            <ModelActions model={model} execute={execute} />
            <IterationList model={model} now={now} api={api} execute={execute} />
          </>
        ) : null}
      </div>
    </li>
  );
});

/** The live version, and whether it runs. */
function Serving({ live, known }: { live: Live | null; known: boolean }): JSX.Element {
  if (!live) {
    return <span className="jp-ContainerIter-serving jp-mod-quiet">{known ? 'not deployed' : 'not known'}</span>;
  }
  return (
    <span
      className={`jp-ContainerIter-serving jp-mod-${live.running ? 'good' : 'doubtful'}`}
      title={`Version ${live.version} ${live.running ? 'is running' : 'has stopped'}`}
    >
      <span className="jp-ContainerIter-dot" aria-hidden="true" />v{live.version}{' '}
      {live.running ? <span className="jp-ContainerIter-roomy">running</span> : 'stopped'}
    </span>
  );
}

/** What is proven of what serves (else what became of the last one), where it runs; one that failed or was interrupted after it is told. */
function Standing({ model, now }: { model: Model; now: number }): JSX.Element {
  const { live, last } = model;
  const parity = live && parityMark(live.parity);
  const mark = last && statusMark(last.status);
  return (
    <div className="jp-ContainerIter-standing">
      {parity ? <Word mark={parity} title={parity.long} /> : null}
      {live ? <span>{[live.engine, live.hot ? 'hot' : ''].filter(Boolean).join(' · ')}</span> : null}
      {!live && mark ? <Word mark={mark} title={last.error} /> : null}
      {live && mark && isBad(last) && last.version !== live.version ? (
        <Word mark={{ ...mark, word: `v${last.version} ${mark.word}` }} title={last.error} />
      ) : null}
      {last?.finished_at ? <span className="jp-ContainerIter-ago">{ago(last.finished_at, now)}</span> : null}
    </div>
  );
}

/** Its clock ticks on its own, so that only this is drawn again each second. */
function UnderWay({ working, clockOffset }: { working: Working; clockOffset: number }): JSX.Element {
  const now = useNow(1000) + clockOffset;
  return <Steps working={working} elapsed={elapsedSeconds(working, now)} />;
}

/** The last call and the calls before it. */
function Times({ model }: { model: Model }): JSX.Element | null {
  const { last } = model;
  const ended = model.recent.filter(bar => bar.status !== 'running');
  if (!last) {
    return null;
  }
  return (
    <>
      <div className="jp-ContainerIter-times">
        <span title={`The call of version ${last.version}`}>
          <b>{duration(last.seconds)}</b> {callUntil(last)}
        </span>
        {last.cycle_seconds !== null ? (
          <span title="From the end of the iteration before to the end of this one">
            cycle {duration(last.cycle_seconds)}
          </span>
        ) : null}
      </div>
      {ended.length > 1 ? <Trend bars={ended} /> : null}
      {model.working ? null : <PhasesBar row={last} />}
    </>
  );
}
