import { HTMLSelect } from '@jupyterlab/ui-components';
import { useId, useState, type ReactNode } from 'react';
import { value } from '../model/format';
import type { Choice } from '../model/line';
import type { MetricCandidate, SampleCandidate } from '../model/types';

const OTHER = 'other';

interface SampleProps {
  samples: SampleCandidate[];
  sample: string;
  onSample: (expression: string) => void;
}

/** One of the samples that were found, none, or an expression that is typed. */
export function SampleField({ samples, sample, onSample }: SampleProps): JSX.Element {
  const [other, setOther] = useState(false);
  const hint = sample.trim()
    ? 'A few rows: predicted here and in the container, and compared.'
    : 'Without a sample nothing is proven.';
  return (
    <Field label="Sample" hint={hint}>
      {id => (
        <>
          <HTMLSelect
            {...id}
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
          </HTMLSelect>
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

/** Any of the numbers that were found, each under a name of its own. */
export function MetricsField({ metrics, onMetrics }: MetricsProps): JSX.Element {
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

/** A labelled control with a hint below it; `children` gets the attributes that tie them together. */
export function Field({ label, hint, bad, children }: FieldProps): JSX.Element {
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

function keyFor(expression: string): string {
  return expression.replace(/[\s=]+/g, '');
}

function without(chosen: Record<string, string>, expression: string): Record<string, string> {
  return Object.fromEntries(Object.entries(chosen).filter(([key]) => key !== expression));
}
