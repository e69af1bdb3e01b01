import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { COMMANDS } from '../tokens';

/** Where the commands are found: in the palette, and the panel in the launcher. */
export const palettePlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:commands',
  description: 'Puts the commands into the palette and the panel into the launcher.',
  autoStart: true,
  optional: [ICommandPalette, ILauncher],
  activate: (_: JupyterFrontEnd, palette: ICommandPalette | null, launcher: ILauncher | null): void => {
    Object.values(COMMANDS).forEach(command => palette?.addItem({ command, category: 'Iterations' }));
    launcher?.add({ command: COMMANDS.show, category: 'Other', rank: 10, args: { launcher: true } });
  }
};
