import { HTMLSelect, ReactWidget } from '@jupyterlab/ui-components';
import { useEffect, useRef, useState } from 'react';
import { NAME_LENGTH, NAME_PATTERN, nameProblem } from '../model/names';
import { cell, containerizeLine, type CellOptions, type Choice } from '../model/line';
import type { Candidates, ModelCandidate, SampleCandidate } from '../model/types';
import { Field, MetricsField, SampleField } from './fields';

/** The latest version under a name; none where the name is new. */
export type Latest = (name: string) => number | undefined;

interface FormProps {
  candidates: Candidates;
  options: CellOptions;
  latest: Latest;
  /** Called with every choice that is made. */
  onChoice: (choice: Choice) => void;
}

/** What is containerized, under which name, with which sample, metrics and note; and the line that does it. */
export function ContainerizeForm({ candidates, options, latest, onChoice }: FormProps): JSX.Element {
  const [choice, setChoice] = useState(() => firstChoice(candidates.models[0]));
  const [named, setNamed] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const change = (part: Partial<Choice>): void => setChoice(before => ({ ...before, ...part }));
  useEffect(() => {
    onChoice(choice);
    // The dialog looks again whether it may be accepted.
    form.current?.dispatchEvent(new Event('input', { bubbles: true }));
  }, [choice, onChoice]);

  const chooseModel = (variable: string): void => {
    const { name, sample } = firstChoice(candidates.models.find(model => model.variable === variable)!);
    change({ variable, sample, ...(named ? {} : { name }) });
  };
  const model = candidates.models.find(({ variable }) => variable === choice.variable)!;
  const problem = nameProblem(choice.name);
  return (
    <form
      ref={form}
      className="jp-ContainerIter-form jp-ContainerIter-controls"
      onSubmit={event => event.preventDefault()}
    >
      <Field label="Model" hint={fitHint(model)}>
        {id => (
          <HTMLSelect {...id} value={choice.variable} onChange={e => chooseModel(e.target.value)}>
            {candidates.models.map(({ variable, type }) => (
              <option key={variable} value={variable}>
                {variable} – {type}
              </option>
            ))}
          </HTMLSelect>
        )}
      </Field>
      <Field label="Name" hint={problem ?? versionHint(latest(choice.name))} bad={problem !== null}>
        {id => (
          <input
            {...id}
            className="jp-mod-styled"
            required
            maxLength={NAME_LENGTH}
            pattern={NAME_PATTERN}
            spellCheck={false}
            value={choice.name}
            onChange={event => {
              setNamed(true);
              change({ name: event.target.value });
            }}
          />
        )}
      </Field>
      <SampleField
        key={choice.variable}
        samples={samplesFor(model, candidates.samples)}
        sample={choice.sample}
        onSample={sample => change({ sample })}
      />
      {candidates.metrics.length ? (
        <MetricsField metrics={candidates.metrics} onMetrics={metrics => change({ metrics })} />
      ) : null}
      <Field label="Note">
        {id => (
          <input
            {...id}
            className="jp-mod-styled"
            placeholder="What changed, and why (optional)"
            value={choice.note}
            onChange={event => change({ note: event.target.value })}
          />
        )}
      </Field>
      <figure className="jp-ContainerIter-preview">
        <figcaption>This cell is inserted below the active one and run:</figcaption>
        <pre aria-live="polite">{cell(containerizeLine(choice, options), candidates.loaded)}</pre>
      </figure>
    </form>
  );
}

/** The form in a dialog; its value is what was chosen. */
export class ContainerizeBody extends ReactWidget {
  constructor(
    private readonly candidates: Candidates,
    private readonly options: CellOptions,
    private readonly latest: Latest
  ) {
    super();
    this.choice = firstChoice(candidates.models[0]);
  }

  getValue(): Choice {
    return this.choice;
  }

  protected render(): JSX.Element {
    return (
      <ContainerizeForm
        candidates={this.candidates}
        options={this.options}
        latest={this.latest}
        onChoice={choice => (this.choice = choice)}
      />
    );
  }

  private choice: Choice;
}

function firstChoice(model: ModelCandidate): Choice {
  return { variable: model.variable, name: model.name, sample: model.samples[0] ?? '', metrics: [], note: '' };
}

function fitHint(model: ModelCandidate): string | null {
  return model.fitted === false ? 'It does not seem to be fitted yet: fit it first.' : null;
}

function versionHint(latest: number | undefined): string | null {
  return latest === undefined ? null : `There is a model of this name: this becomes its version ${latest + 1}.`;
}

/** The samples that fit the model first, then all others. */
function samplesFor(model: ModelCandidate, all: SampleCandidate[]): SampleCandidate[] {
  const known = new Map(all.map(sample => [sample.expression, sample]));
  const fitting = model.samples.map(expression => known.get(expression) ?? { expression, type: '', shape: null });
  return [...fitting, ...all.filter(({ expression }) => !model.samples.includes(expression))];
}
