import { copyIcon, fileIcon, launchIcon, listIcon, stopIcon, undoIcon } from '@jupyterlab/ui-components';
import type { Model } from '../model/types';
import { COMMANDS, type Execute } from '../tokens';
import { Action } from './parts';

/** What can be done with a model as a whole. What needs a running deployment is there only while one runs. */
export function ModelActions({ model, execute }: { model: Model; execute: Execute }): JSX.Element {
  const { name, live } = model;
  const act = (command: string) => () => execute(command, { name });
  const earlier = model.recent.some(bar => bar.status === 'verified' && bar.version < (live?.version ?? 0));
  return (
    <div className="jp-ContainerIter-actions" role="group" aria-label={`Actions for ${name}`}>
      {live?.running ? (
        <>
          <Action icon={launchIcon} word="Docs" label={`Open the docs page of ${name}`} onClick={act(COMMANDS.docs)} />
          <Action icon={copyIcon} word="curl" label={`Copy a curl command for ${name}`} onClick={act(COMMANDS.curl)} />
        </>
      ) : null}
      {live ? (
        <Action icon={listIcon} word="Logs" label={`Show the logs of ${name}`} onClick={act(COMMANDS.logs)} />
      ) : null}
      <Action icon={fileIcon} word="Report" label={`Show the report of ${name}`} onClick={act(COMMANDS.report)} />
      {live && earlier ? (
        <Action icon={undoIcon} word="Roll back" label={`Roll ${name} back`} onClick={act(COMMANDS.rollBack)} />
      ) : null}
      {live?.running ? (
        <Action icon={stopIcon} word="Stop" label={`Stop ${name}`} danger onClick={act(COMMANDS.stop)} />
      ) : null}
    </div>
  );
}
