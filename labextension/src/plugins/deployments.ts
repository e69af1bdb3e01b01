import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { copyIcon, launchIcon, refreshIcon, runIcon, stopIcon, undoIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { curl } from '../model/curl';
import { duration } from '../model/format';
import type { Done, Live, Model, Row } from '../model/types';
import { COMMANDS, IWorkspace } from '../tokens';
import { carriedOut, confirmed, type Words } from '../views/dialogs';
import { giveDiskBack } from '../views/garbage';
import { Arguments, NAME_ARGS, NO_ARGS, VERSION_ARGS } from './arguments';

type Command = CommandRegistry.ICommandOptions;

const NONE_RUNS = 'No deployment runs.';
const runs = ({ live }: Model): boolean => live?.running ?? false;

/** What the server does without a kernel: deploy, roll back, stop, reach, clean up. */
export const deploymentsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:deployments',
  description: 'Commands that deploy, roll back, stop and reach models, and give disk back.',
  autoStart: true,
  requires: [IWorkspace],
  activate: ({ commands }: JupyterFrontEnd, workspace: IWorkspace): void => {
    const asked = new Arguments(workspace);
    commands.addCommand(COMMANDS.deploy, deploy(workspace, asked));
    commands.addCommand(COMMANDS.rollBack, rollBack(workspace, asked));
    commands.addCommand(COMMANDS.stop, stop(workspace, asked));
    commands.addCommand(COMMANDS.docs, docs(workspace, asked));
    commands.addCommand(COMMANDS.curl, copyCurl(workspace, asked));
    commands.addCommand(COMMANDS.garbage, garbage(workspace));
    commands.addCommand(COMMANDS.reconnect, reconnect(workspace));
  }
};

function deploy({ api }: IWorkspace, asked: Arguments): Command {
  return {
    label: 'Deploy a Version…',
    caption: 'Put a version of a model into service; it is verified before it replaces the live one',
    icon: runIcon,
    describedBy: VERSION_ARGS,
    execute: async args => {
      const model = await asked.model(args, ({ total }) => total > 0, 'There is no model yet.');
      const fits = (row: Row): boolean => row.version !== model?.live?.version && row.deployable;
      const question = { title: `Deploy ${model?.name ?? ''}`, accept: 'Deploy' };
      const version = model && (await asked.version(args, model, question, fits));
      if (model && version) {
        const words = wordsFor(`${model.name}:${version}`, 'Deploying', 'deployed');
        await carriedOut(words, () => api.deploy(model.name, version));
      }
    }
  };
}

function rollBack({ api }: IWorkspace, asked: Arguments): Command {
  return {
    label: 'Roll Back a Model…',
    caption: 'Put a version before the live one back into service',
    icon: undoIcon,
    describedBy: VERSION_ARGS,
    execute: async args => {
      const model = await asked.model(args, ({ live }) => live !== null, NONE_RUNS);
      const fits = (row: Row): boolean =>
        row.version < (model?.live?.version ?? 0) && row.deployable && row.status !== 'built';
      const question = { title: `Roll ${model?.name ?? ''} Back`, accept: 'Roll Back' };
      const version = model && (await asked.version(args, model, question, fits));
      if (model && version) {
        const words = wordsFor(model.name, 'Rolling back', 'rolled back');
        const done = ({ version }: Done): string => `${model.name} is back at version ${version}.`;
        await carriedOut({ ...words, done }, () => api.rollBack(model.name, version));
      }
    }
  };
}

function stop({ api }: IWorkspace, asked: Arguments): Command {
  return {
    label: 'Stop a Deployment…',
    caption: 'Stop what serves a model; its versions stay and can be deployed again',
    icon: stopIcon,
    describedBy: NAME_ARGS,
    execute: async args => {
      const model = await asked.model(args, runs, NONE_RUNS);
      const body = 'Who calls it gets no answer any more. Its versions stay and can be deployed again.';
      if (model && (await confirmed(`Stop ${model.name}?`, body, 'Stop'))) {
        await carriedOut(wordsFor(model.name, 'Stopping', 'stopped'), () => api.stop(model.name));
      }
    }
  };
}

function docs({ baseUrl }: IWorkspace, asked: Arguments): Command {
  return {
    label: 'Open the Docs Page of a Deployment',
    caption: 'Open the page where a deployment describes itself and can be tried',
    icon: launchIcon,
    describedBy: NAME_ARGS,
    execute: async args => {
      const live = await running(asked, args);
      if (live) {
        window.open(`${baseUrl}${live.proxy}docs`, '_blank', 'noopener');
      }
    }
  };
}

function copyCurl({ baseUrl }: IWorkspace, asked: Arguments): Command {
  return {
    label: 'Copy a curl Command for a Deployment',
    caption: 'Copy a command that asks a deployment for predictions through the Jupyter server',
    icon: copyIcon,
    describedBy: NAME_ARGS,
    execute: async args => {
      const live = await running(asked, args);
      if (live) {
        Clipboard.copyToSystem(curl(baseUrl, live.proxy, live.example));
        Notification.success('Copied. Set JUPYTER_TOKEN to a token of this server in your shell.', { autoClose: 5000 });
      }
    }
  };
}

function garbage(workspace: IWorkspace): Command {
  return {
    label: 'Give Disk Back…',
    caption: 'Show which old versions and layers could go to keep the disk budget, and remove them',
    describedBy: NO_ARGS,
    execute: () => giveDiskBack(workspace.api, workspace.preferences.diskBudget || null)
  };
}

function reconnect({ store }: IWorkspace): Command {
  return {
    label: 'Connect Iterations Again',
    caption: 'Open the connection to the server part anew',
    icon: refreshIcon,
    describedBy: NO_ARGS,
    execute: () => store.connect()
  };
}

async function running(asked: Arguments, args: Parameters<Command['execute']>[0]): Promise<Live | null> {
  return (await asked.model(args, runs, NONE_RUNS))?.live ?? null;
}

function wordsFor(what: string, doing: string, done: string): Words<Done> {
  return {
    doing: `${doing} ${what}…`,
    done: result =>
      `${result.name}:${result.version} ${done}${result.seconds ? ` in ${duration(result.seconds)}` : ''}.`,
    failed: `${what} was not ${done}`
  };
}
