import { memo } from 'react';
import { phaseParts, phasesText, rowSeconds, type Part } from '../model/chart';
import { duration, ticking } from '../model/format';
import { PHASES, type Ended, type Working } from '../model/types';

/** Where the time of an iteration went, as one thin bar. */
export const PhasesBar = memo(function PhasesBar({
  row,
  legend
}: {
  row: Ended;
  legend?: boolean;
}): JSX.Element | null {
  const parts = phaseParts(rowSeconds(row));
  if (!parts.length) {
    return null;
  }
  return (
    <>
      <div
        className="jp-ContainerIter-phases"
        role="img"
        aria-label={`Phases of version ${row.version}: ${phasesText(parts)}`}
        title={phasesText(parts)}
      >
        {parts.map(part => (
          <span key={part.phase} data-phase={part.phase} style={{ flexGrow: part.share }} />
        ))}
      </div>
      {legend ? <Legend parts={parts} /> : null}
    </>
  );
});

function Legend({ parts }: { parts: Part[] }): JSX.Element {
  return (
    <ul className="jp-ContainerIter-legend" aria-label="Phases">
      {parts.map(part => (
        <li key={part.phase}>
          <span className="jp-ContainerIter-swatch" data-phase={part.phase} />
          {part.phase} {duration(part.seconds)}
        </li>
      ))}
    </ul>
  );
}

/** The phases of an iteration under way: what is done, what is being done, what comes. */
export function Steps({ working, elapsed }: { working: Working; elapsed: number }): JSX.Element {
  const at = PHASES.findIndex(phase => phase === working.phase);
  return (
    <div className="jp-ContainerIter-working">
      <ol className="jp-ContainerIter-steps" aria-label="Phases under way">
        {PHASES.map((phase, index) => (
          <li
            key={phase}
            data-phase={phase}
            className={index < at ? 'jp-mod-done' : index === at ? 'jp-mod-current' : 'jp-mod-coming'}
            aria-current={index === at ? 'step' : undefined}
          >
            <span className="jp-ContainerIter-hidden">{phase}</span>
          </li>
        ))}
      </ol>
      <span className="jp-ContainerIter-phase">
        {working.version ? `Version ${working.version}: ` : ''}
        {working.phase || 'begun'} · {ticking(elapsed)}
      </span>
    </div>
  );
}
