import { memo } from 'react';
import { trendPlaces, trendText, type Place } from '../model/chart';
import { duration, statusMark } from '../model/format';
import type { Bar } from '../model/types';

const WIDTH = 240;
const HEIGHT = 30;

/** How long the last iterations took, one bar each; a failed one is hollow, crossed out, and of another colour. */
export const Trend = memo(function Trend({ bars }: { bars: Bar[] }): JSX.Element {
  return (
    <svg
      className="jp-ContainerIter-trend"
      role="img"
      aria-label={trendText(bars)}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="xMinYMax meet"
    >
      <line x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} className="jp-ContainerIter-axis" />
      {trendPlaces(bars, WIDTH, HEIGHT - 2).map(place => (
        <TrendBar key={place.bar.version} place={place} />
      ))}
    </svg>
  );
});

function TrendBar({ place }: { place: Place }): JSX.Element {
  const y = HEIGHT - 1 - place.height;
  const { x, width, height, bar } = place;
  return (
    <g className={place.bad ? 'jp-mod-bad' : 'jp-mod-good'}>
      <title>{`Version ${bar.version}, ${statusMark(bar.status).word}: ${duration(bar.seconds)}`}</title>
      <rect x={x} y={0} width={width} height={HEIGHT} className="jp-ContainerIter-hit" />
      <rect x={x} y={y} width={width} height={height} rx="1" className="jp-ContainerIter-bar" />
      {place.cut ? <path d={`M${x - 1} 7l${width + 2} -3`} className="jp-ContainerIter-cut" /> : null}
      {place.bad ? <Cross x={x + width / 2} y={Math.max(y - 5, 4)} /> : null}
    </g>
  );
}

function Cross({ x, y }: { x: number; y: number }): JSX.Element {
  return <path d={`M${x - 2} ${y - 2}l4 4m0 -4l-4 4`} className="jp-ContainerIter-cross" />;
}
