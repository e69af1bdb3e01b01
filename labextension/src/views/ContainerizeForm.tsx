import { ReactWidget } from '@jupyterlab/ui-components';
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { NAME_LENGTH, NAME_PATTERN, nameProblem } from '../model/names';
import { containerizeLine, type CellOptions, type Choice } from '../model/line';
import { value } from '../model/format';
import type { Candidates, MetricCandidate, ModelCandidate, SampleCandidate } from '../model/types';

const OTHER = 'other';

interface FormProps {
  candidates: Candidates;
  options: CellOptions;
  /** Called with every choice that is made. */
  onChoice: (choice: Choice) => void;
}

/** What is containerized, under which name, with which sample, metrics and note; and the line that does it. */
export function ContainerizeForm({ candidates, options, onChoice }: FormProps): JSX.Element {
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
  return (
    <form ref={form} className="jp-ContainerIter-form" onSubmit={event => event.preventDefault()}>
      <Field label="Model" hint={fitHint(model)}>
        {id => (
          <select {...id} className="jp-mod-styled" value={choice.variable} onChange={e => chooseModel(e.target.value)}>
            {candidates.models.map(({ variable, type }) => (
              <option key={variable} value={variable}>
                {variable} – {type}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Name" hint={nameProblem(choice.name)} bad={nameProblem(choice.name) !== null}>
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
        <pre aria-live="polite">{containerizeLine(choice, options)}</pre>
      </figure>
    </form>
  );
}

interface SampleProps {
  samples: SampleCandidate[];
  sample: string;
  onSample: (expression: string) => void;
}

function SampleField({ samples, sample, onSample }: SampleProps): JSX.Element {
  const [other, setOther] = useState(false);
  const hint = sample.trim()
    ? 'A few rows: predicted here and in the container, and compared.'
    : 'Without a sample nothing is proven.';
  return (
    <Field label="Sample" hint={hint}>
      {id => (
        <>
          <select
            {...id}
            className="jp-mod-styled"
            value={other ? OTHER : sample}
            onChange={event => {
              setOther(event.target.value === OTHER);
              onSample(event.target.value === OTHER ? '' : event.target.value);
            }}
          >
            {samples.map(({ expression, type, shape }) => (
              <option key={expression} value={expression}>
                {expression} {type ? `– ${type}${shape ? ` ${shape.join(' × ')}` : ''}` : ''}
              </option>
            ))}
            <option value="">none</option>
            <option value={OTHER}>another expression…</option>
          </select>
          {other ? (
            <input
              className="jp-mod-styled"
              aria-label="Expression of the sample"
              placeholder="X_test[:5]"
              autoFocus
              spellCheck={false}
              value={sample}
              onChange={event => onSample(event.target.value)}
            />
          ) : null}
        </>
      )}
    </Field>
  );
}

interface MetricsProps {
  metrics: MetricCandidate[];
  onMetrics: (metrics: Choice['metrics']) => void;
}

function MetricsField({ metrics, onMetrics }: MetricsProps): JSX.Element {
  const [chosen, setChosen] = useState<Record<string, string>>({});
  const set = (next: Record<string, string>): void => {
    setChosen(next);
    onMetrics(Object.entries(next).map(([expression, key]) => ({ key, expression })));
  };
  return (
    <fieldset className="jp-ContainerIter-metrics">
      <legend>Metrics</legend>
      <div>
        {metrics.map(({ expression, value: number }) => (
          <div key={expression} className="jp-ContainerIter-metricChoice">
            <label>
              <input
                type="checkbox"
                checked={expression in chosen}
                onChange={event =>
                  set(
                    event.target.checked ? { ...chosen, [expression]: keyFor(expression) } : without(chosen, expression)
                  )
                }
              />
              {expression} = {value(number)}
            </label>
            {expression in chosen ? (
              <input
                className="jp-mod-styled"
                aria-label={`Name of the metric ${expression}`}
                required
                pattern="[^\s=]+"
                value={chosen[expression]}
                onChange={event => set({ ...chosen, [expression]: event.target.value })}
              />
            ) : null}
          </div>
        ))}
      </div>
    </fieldset>
  );
}

interface FieldProps {
  label: string;
  hint?: string | null;
  bad?: boolean;
  children: (attributes: { id: string; 'aria-describedby': string | undefined }) => ReactNode;
}

function Field({ label, hint, bad, children }: FieldProps): JSX.Element {
  const id = useId();
  const about = `${id}-hint`;
  return (
    <div className="jp-ContainerIter-field">
      <label htmlFor={id}>{label}</label>
      <div>
        {children({ id, 'aria-describedby': hint ? about : undefined })}
        {hint ? (
          <p id={about} className={bad ? 'jp-mod-bad' : ''} role={bad ? 'alert' : undefined}>
            {hint}
          </p>
        ) : null}
      </div>
    </div>
  );
}

/** The form in a dialog; its value is what was chosen. */
export class ContainerizeBody extends ReactWidget {
  constructor(
    private readonly candidates: Candidates,
    private readonly options: CellOptions
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

/** The samples that fit the model first, then all others. */
function samplesFor(model: ModelCandidate, all: SampleCandidate[]): SampleCandidate[] {
  const known = new Map(all.map(sample => [sample.expression, sample]));
  const fitting = model.samples.map(expression => known.get(expression) ?? { expression, type: '', shape: null });
  return [...fitting, ...all.filter(({ expression }) => !model.samples.includes(expression))];
}

function keyFor(expression: string): string {
  return expression.replace(/[\s=]+/g, '');
}

function without(chosen: Record<string, string>, expression: string): Record<string, string> {
  return Object.fromEntries(Object.entries(chosen).filter(([key]) => key !== expression));
}
