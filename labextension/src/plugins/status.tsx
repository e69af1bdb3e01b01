import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar, TextItem } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import { counted, duration } from '../model/format';
import { summary } from '../model/rows';
import type { OverviewStore } from '../model/store';
import { useStore } from '../panel/hooks';
import { COMMANDS, IWorkspace } from '../tokens';

/** How many deployments run and how long the last cycle took, in the status bar. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:status',
  description: 'Tells in the status bar how many deployments run and how long the last cycle took.',
  autoStart: true,
  requires: [IWorkspace],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, workspace: IWorkspace, bar: IStatusBar | null): void => {
    const { store } = workspace;
    let shown: IDisposable | null = null;
    const show = (): IDisposable => {
      const item = ReactWidget.create(
        <StatusItem store={store} onClick={() => void app.commands.execute(COMMANDS.show)} />
      );
      item.addClass('jp-mod-highlighted');
      return bar!.registerStatusItem('jupyter-containeriter:status', { item, align: 'left', rank: 90 });
    };
    workspace.onPreferences(({ statusItem }) => {
      if (bar && statusItem && !shown) {
        shown = show();
      } else if (!statusItem) {
        shown?.dispose();
        shown = null;
      }
    });
  }
};

const SHOW = 'Show Iterations';

export function StatusItem({ store, onClick }: { store: OverviewStore; onClick: () => void }): JSX.Element | null {
  const { overview, connection } = useStore(store);
  if (!overview?.models.length) {
    return null;
  }
  const { running, working, cycleSeconds } = summary(overview.models);
  const text = [
    `${counted(running, 'model')} running`,
    ...(working ? [`${working} under way`] : []),
    ...(connection === 'live' ? [] : ['not connected']),
    ...(cycleSeconds === null ? [] : [`last cycle ${duration(cycleSeconds)}`])
  ].join(' · ');
  return (
    <TextItem
      source={text}
      title={SHOW}
      role="button"
      tabIndex={0}
      aria-label={`${text}. ${SHOW}`}
      onClick={onClick}
      onKeyDown={event => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          onClick();
        }
      }}
    />
  );
}
