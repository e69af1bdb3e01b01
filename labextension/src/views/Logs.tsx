import { listIcon, ReactWidget } from '@jupyterlab/ui-components';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { modelPath, type Api } from '../model/api';
import { Following } from '../model/follow';
import { problemOf } from '../model/problem';
import type { OverviewStore } from '../model/store';
import type { Problem } from '../model/types';
import { useStore } from '../panel/hooks';
import { Notice } from '../panel/parts';

/** Nearer to the end than this, in pixels, and the end is followed. */
const NEAR_END = 40;

interface LogsProps {
  api: Api;
  store: OverviewStore;
  name: string;
}

/** The logs of a deployment as they are written. The end is followed until somebody scrolls up. */
export function Logs({ api, store, name }: LogsProps): JSX.Element {
  const { overview } = useStore(store);
  const deployed = overview && overview.models.some(model => model.name === name && model.live);
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const pre = useRef<HTMLPreElement>(null);
  const follows = useRef(true);

  useEffect(() => {
    if (!deployed) {
      return;
    }
    const following = new Following(api, `${modelPath(name)}/logs/stream`, {
      onData: data => {
        setText((JSON.parse(data) as { text: string }).text);
        setProblem(null);
      },
      onLost: error => setProblem(problemOf(error))
    });
    following.start();
    return () => following.stop();
  }, [api, name, deployed]);

  useLayoutEffect(() => {
    if (follows.current && pre.current) {
      pre.current.scrollTop = pre.current.scrollHeight;
    }
  }, [text]);

  const scrolled = ({ currentTarget: at }: { currentTarget: HTMLElement }): void => {
    follows.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_END;
  };
  return (
    <div className="jp-ContainerIter-logs">
      {deployed === false ? <Notice problem={notDeployed(name)} tone="quiet" /> : null}
      {deployed && problem ? <Notice problem={problem} tone="doubtful" /> : null}
      <pre ref={pre} role="log" aria-label={`Logs of ${name}`} tabIndex={0} onScroll={scrolled}>
        {text === null
          ? problem || deployed === false
            ? ''
            : 'Asking for the logs…'
          : text || 'Nothing was logged yet.'}
      </pre>
    </div>
  );
}

function notDeployed(name: string): Problem {
  return { message: `${name} is not deployed.`, remedy: 'When a version of it is, its logs go on here.' };
}

/** The logs in a widget of their own. */
export class LogsWidget extends ReactWidget {
  constructor(
    private readonly api: Api,
    private readonly store: OverviewStore,
    readonly modelName: string
  ) {
    super();
    this.title.label = `Logs: ${modelName}`;
    this.title.icon = listIcon;
  }

  protected render(): JSX.Element {
    return <Logs api={this.api} store={this.store} name={this.modelName} />;
  }
}
