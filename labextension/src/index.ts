import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { deploymentsPlugin } from './plugins/deployments';
import { notebookPlugin } from './plugins/notebook';
import { palettePlugin } from './plugins/palette';
import { panelPlugin } from './plugins/panel';
import { statusPlugin } from './plugins/status';
import { viewsPlugin } from './plugins/views';
import { workspacePlugin } from './plugins/workspace';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  workspacePlugin,
  panelPlugin,
  notebookPlugin,
  deploymentsPlugin,
  viewsPlugin,
  palettePlugin,
  statusPlugin
];

export default plugins;
