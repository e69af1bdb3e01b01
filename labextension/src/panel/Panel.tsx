import { addIcon, refreshIcon } from '@jupyterlab/ui-components';
import { useMemo, useState, useSyncExternalStore } from 'react';
import type { Api } from '../model/api';
import { counted } from '../model/format';
import type { OpenedModels } from '../model/opened';
import { found, type Filter } from '../model/search';
import type { OverviewStore, State } from '../model/store';
import type { Model } from '../model/types';
import { COMMANDS, type Execute } from '../tokens';
import { ModelCard } from './ModelCard';
import { SearchBar } from './SearchBar';
import { Notices, Empty, Loading, NothingFound } from './States';
import { useAnnouncement, useNow, useStore } from './hooks';
import { Action } from './parts';

export interface PanelProps {
  store: OverviewStore;
  opened: OpenedModels;
  api: Api;
  execute: Execute;
}

const NONE: Model[] = [];
const MINUTE = 60_000;

/** The panel "Iterations". */
export function Panel({ store, opened, api, execute }: PanelProps): JSX.Element {
  const state = useStore(store);
  const models = state.overview?.models ?? NONE;
  const announcement = useAnnouncement(models);
  return (
    <div className="jp-ContainerIter-panel">
      <div className="jp-ContainerIter-header">
        <h2>Iterations</h2>
        <Action
          icon={addIcon}
          label="Containerize a model of the notebook"
          onClick={() => execute(COMMANDS.containerize)}
        />
        <Action icon={refreshIcon} label="Connect again" onClick={() => execute(COMMANDS.reconnect)} />
      </div>
      <Notices state={state} onRetry={() => execute(COMMANDS.reconnect)} />
      <Content state={state} models={models} opened={opened} api={api} execute={execute} />
      <Footer state={state} />
      <div className="jp-ContainerIter-hidden" role="status" aria-live="polite">
        {announcement}
      </div>
    </div>
  );
}

interface ContentProps {
  state: State;
  models: Model[];
  opened: OpenedModels;
  api: Api;
  execute: Execute;
}

function Content({ state, models, opened, api, execute }: ContentProps): JSX.Element | null {
  if (!state.overview) {
    return state.connection === 'connecting' ? <Loading /> : null;
  }
  if (!models.length) {
    return state.overview.problem ? null : <Empty onContainerize={() => execute(COMMANDS.containerize)} />;
  }
  return <Models state={state} models={models} opened={opened} api={api} execute={execute} />;
}

function Models({ state, models, opened, api, execute }: ContentProps): JSX.Element {
  const [query, setQuery] = useState('');
  const [filter, setFilter] = useState<Filter>('all');
  const names = useSyncExternalStore(opened.subscribe, opened.snapshot);
  const now = useNow(MINUTE) + state.clockOffset;
  const shown = useMemo(() => found(models, query, filter), [models, query, filter]);
  return (
    <>
      <SearchBar query={query} filter={filter} onQuery={setQuery} onFilter={setFilter} />
      {shown.length ? null : <NothingFound onClear={() => (setQuery(''), setFilter('all'))} />}
      <ul className="jp-ContainerIter-models" aria-label={counted(shown.length, 'model')}>
        {shown.map(model => (
          <ModelCard
            key={model.name}
            model={model}
            open={names.has(model.name)}
            onToggle={opened.toggle}
            now={now}
            clockOffset={state.clockOffset}
            known={Boolean(state.overview?.engine)}
            api={api}
            execute={execute}
          />
        ))}
      </ul>
    </>
  );
}

/** Where containers run, and whether what is shown is what is. */
function Footer({ state }: { state: State }): JSX.Element | null {
  const engine = state.overview?.engine;
  if (!state.overview) {
    return null;
  }
  return (
    <div className="jp-ContainerIter-footer">
      <span title={engine ? `${engine.name} ${engine.version} at ${engine.endpoint}` : undefined}>
        {engine ? `${engine.name} · isolation: ${engine.isolation}` : 'no engine'}
      </span>
      <span className={`jp-mod-${state.connection === 'live' ? 'good' : 'doubtful'}`}>
        <span className="jp-ContainerIter-dot" aria-hidden="true" />
        {state.connection === 'live' ? 'live' : 'not connected'}
      </span>
    </div>
  );
}
