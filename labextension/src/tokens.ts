import { Token } from '@lumino/coreutils';
import type { Api } from './model/api';
import type { CellOptions } from './model/line';
import type { OverviewStore } from './model/store';

/** What a person set; read at the moment it is needed. */
export interface Preferences extends CellOptions {
  /** For "Give disk back"; empty: the budget that the server is configured with. */
  diskBudget: string;
  statusItem: boolean;
}

/** What the plugins of this package share. */
export interface IWorkspace {
  readonly api: Api;
  readonly store: OverviewStore;
  readonly preferences: Preferences;
  /** Call `listener` now and after every change of the settings. */
  onPreferences(listener: (preferences: Preferences) => void): void;
  /** The server's base URL as this browser reaches it. */
  readonly baseUrl: string;
}

export const IWorkspace = new Token<IWorkspace>(
  'jupyter-containeriter:IWorkspace',
  'The models in containers, kept up to date, and what a person may do with them.'
);

/** The commands, by what they do. Each takes `name` (and `version`) or asks for it. */
export const COMMANDS = {
  show: 'containeriter:show',
  containerize: 'containeriter:containerize',
  deploy: 'containeriter:deploy',
  rollBack: 'containeriter:roll-back',
  stop: 'containeriter:stop',
  restore: 'containeriter:restore',
  logs: 'containeriter:logs',
  report: 'containeriter:report',
  docs: 'containeriter:docs',
  curl: 'containeriter:copy-curl',
  garbage: 'containeriter:give-disk-back',
  reconnect: 'containeriter:reconnect'
} as const;

/** Carry out a command, as `app.commands.execute` does. */
export type Execute = (command: string, args?: Record<string, string | number>) => void;
