import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { ago, parityMark, statusMark } from '../model/format';
import { problemOf } from '../model/problem';
import type { Model, Row } from '../model/types';
import { chosen } from '../views/choose';
import type { IWorkspace } from '../tokens';
import { told } from '../views/dialogs';

const NAME = { type: 'string', description: 'The name of the model; asked for where it is left out.' };
const VERSION = { type: 'integer', minimum: 1, description: 'The version; asked for where it is left out.' };

/** What the commands take, as JSON schemas. */
export const NO_ARGS = { args: { type: 'object', properties: {} } } as const;
export const NAME_ARGS = { args: { type: 'object', properties: { name: NAME } } } as const;
export const VERSION_ARGS = { args: { type: 'object', properties: { name: NAME, version: VERSION } } } as const;

/** More versions than these are a list that nobody reads; the panel shows all. */
const CHOICES = 100;

/** Reads the arguments of a command, and asks the person for what is missing. */
export class Arguments {
  constructor(private readonly workspace: Pick<IWorkspace, 'api' | 'store'>) {}

  /** The model that is meant; `fits` says which ones can be. */
  async model(args: ReadonlyPartialJSONObject, fits: (model: Model) => boolean, none: string): Promise<Model | null> {
    if (typeof args.name === 'string') {
      return this.workspace.store.model(args.name) ?? this.nothing(`There is no model ${args.name}.`);
    }
    const models = (this.workspace.store.state.overview?.models ?? []).filter(fits);
    if (models.length < 2) {
      return models[0] ?? this.nothing(none);
    }
    const question = { title: 'Which Model?', label: 'Model', accept: 'Choose' };
    return chosen(question, models, ({ name }) => name);
  }

  /** The name that is meant; one that is given is taken as it is, also before anything is known. */
  async name(args: ReadonlyPartialJSONObject, fits: (model: Model) => boolean, none: string): Promise<string | null> {
    return typeof args.name === 'string' ? args.name : ((await this.model({}, fits, none))?.name ?? null);
  }

  /** The version that is meant, of those that fit. */
  async version(
    args: ReadonlyPartialJSONObject,
    model: Model,
    question: { title: string; accept: string },
    fits: (row: Row) => boolean
  ): Promise<number | null> {
    if (typeof args.version === 'number') {
      return args.version;
    }
    const unknown = (error: unknown): Promise<void> =>
      told(`The versions of ${model.name} cannot be listed`, problemOf(error));
    const page = await this.workspace.api.iterations(model.name, CHOICES).catch(unknown);
    if (!page) {
      return null;
    }
    const rows = page.iterations.filter(fits);
    if (!rows.length) {
      return this.nothing(`${model.name} has no version for this.`);
    }
    return (await chosen({ ...question, label: 'Version' }, rows, describe))?.version ?? null;
  }

  private async nothing(message: string): Promise<null> {
    await told('Nothing to do', { message, remedy: 'The panel Iterations shows what there is.' });
    return null;
  }
}

function describe(row: Row): string {
  const outcome = row.status === 'verified' ? parityMark(row.parity).word : statusMark(row.status).word;
  const when = ago(row.finished_at, Date.now());
  return [`Version ${row.version}`, outcome, when, row.note].filter(Boolean).join(' · ');
}
