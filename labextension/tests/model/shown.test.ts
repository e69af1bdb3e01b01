import { describe, expect, it } from 'vitest';
import { announcements } from '../../src/model/announce';
import { answerFrom } from '../../src/model/candidates';
import { phaseParts, phasesText, rowSeconds, trendPlaces, trendText } from '../../src/model/chart';
import { ago, duration, metric, parityMark, size, statusMark, ticking, value } from '../../src/model/format';
import { changedParams, elapsedSeconds, summary } from '../../src/model/rows';
import { found } from '../../src/model/search';
import { failedRow, live, model, row } from '../samples';

describe('words', () => {
  it('tells times of any length', () => {
    expect([0.012, 0.95, 59.94, 200, 3600, 7500, 273600].map(duration)).toEqual([
      '12 ms',
      '0.95 s',
      '59.94 s',
      '3 min 20 s',
      '1 h',
      '2 h 5 min',
      '3 d 4 h'
    ]);
    expect(duration(null)).toBe('–');
    expect([0.4, 12.9, 65].map(ticking)).toEqual(['0 s', '12 s', '1 min 5 s']);
  });

  it('tells how long ago something was', () => {
    const now = Date.parse('2026-05-03T10:00:00Z');
    const then = ['2026-05-03T09:59:30Z', '2026-05-03T09:55:00Z', '2026-05-03T07:00:00Z', '2026-05-01T09:00:00Z'];
    expect(then.map(time => ago(time, now))).toEqual(['just now', '5 min ago', '3 h ago', '2 days ago']);
  });

  it('tells values and sizes as people write them', () => {
    expect([0.937123, 12, 'gini', null, true].map(value)).toEqual(['0.9371', '12', 'gini', 'None', 'true']);
    expect([512, 1500, 289e6, 1.24e9].map(size)).toEqual(['512 B', '1.5 kB', '289 MB', '1.2 GB']);
  });

  it('marks states by a sign, not by colour alone', () => {
    const signs = (['verified', 'failed', 'interrupted', 'running'] as const).map(status => statusMark(status).sign);
    expect(new Set(signs).size).toBe(4);
    expect(parityMark('').word).toBe('not proven');
  });

  it('tells a metric that was no number as such', () => {
    expect([0.93715, null].map(metric)).toEqual(['0.9372', 'not finite']);
  });
});

describe('the charts', () => {
  it('share a bar out among the phases that took time', () => {
    const parts = phaseParts(rowSeconds(row(1, { verify_seconds: null })));
    expect(parts.map(part => part.phase)).toEqual(['capture', 'build', 'load', 'start']);
    expect(parts.reduce((sum, part) => sum + part.share, 0)).toBeCloseTo(1);
    expect(phasesText(parts)).toBe('capture 0.30 s, build 0.20 s, load 0.10 s, start 0.80 s');
  });

  it('keep all bars inside and cut one that would press the others flat', () => {
    const times = [60, 1, 1.2, 0.9, 1.1];
    const bars = trendPlaces(
      times.map((seconds, index) => row(index + 1, { seconds })),
      240,
      30
    );
    expect(bars.map(bar => bar.cut)).toEqual([true, false, false, false, false]);
    expect(Math.max(...bars.map(bar => bar.height))).toBe(30);
    expect(bars[1].height).toBeGreaterThan(5);
    expect(bars.every(bar => bar.x >= 0 && bar.x + bar.width <= 240)).toBe(true);
  });

  it('fit thirty iterations', () => {
    const bars = trendPlaces(
      Array.from({ length: 30 }, (_, index) => row(index + 1)),
      240,
      30
    );
    expect(bars[29].x + bars[29].width).toBeLessThanOrEqual(240);
  });

  it('tell in words what they show', () => {
    const text = trendText([row(1, { seconds: 2 }), failedRow(2), row(3)]);
    expect(text).toBe('Package to verified, last 3 iterations, newest 1.50 s, median 1.75 s, 1 failed');
    expect(trendText([])).toBe('No iterations yet');
  });
});

describe('the search', () => {
  const models = [
    model('churn', {}, [row(1, { note: 'Deeper trees' })]),
    model('wine', { live: null }, [failedRow(1)]),
    model('fraud', {
      live: live(1, { running: false }),
      working: { version: 2, phase: 'build', seconds: {}, since: '' }
    })
  ];
  const names = (query: string, filter: Parameters<typeof found>[2]): string[] =>
    found(models, query, filter).map(({ name }) => name);

  it('finds all words, in names, notes and metrics', () => {
    expect(names('chu deeper', 'all')).toEqual(['churn']);
    expect(names('ACCURACY', 'all')).toEqual(['churn', 'wine', 'fraud']);
    expect(names('nothing', 'all')).toEqual([]);
  });

  it('chooses by state', () => {
    expect(names('', 'running')).toEqual(['churn']);
    expect(names('', 'stopped')).toEqual(['wine', 'fraud']);
    expect(names('', 'working')).toEqual(['fraud']);
    expect(names('', 'failed')).toEqual(['wine']);
  });
});

describe('iterations', () => {
  it('tell which params changed', () => {
    const before = row(1, { params: { max_depth: null, n: 10 } });
    expect(changedParams(row(2, { params: { max_depth: 5, n: 10, seed: 1 } }), before)).toEqual([
      'max_depth None → 5',
      'seed unset → 1'
    ]);
    expect(changedParams(row(1), undefined)).toEqual([]);
  });

  it('add up to what the status bar says', () => {
    const later = row(3, { finished_at: '2026-05-02T10:00:00+00:00', cycle_seconds: 33 });
    const models = [model('churn', {}, [row(1), later]), model('wine', { live: live(1, { running: false }) })];
    expect(summary(models)).toEqual({ running: 1, working: 0, cycleSeconds: 33 });
    expect(summary([])).toEqual({ running: 0, working: 0, cycleSeconds: null });
  });

  it('under way take what was noted and what passed since', () => {
    const working = { version: 1, phase: 'build', seconds: { capture: 2, build: 1 }, since: '2026-05-01T10:00:00Z' };
    expect(elapsedSeconds(working, Date.parse('2026-05-01T10:00:04Z'))).toBe(7);
    expect(elapsedSeconds(working, Date.parse('2026-05-01T09:59:00Z'))).toBe(3);
  });
});

describe('announcements', () => {
  const building = model('churn', { working: { version: 3, phase: 'build', seconds: {}, since: '' } });

  it('tell a new phase', () => {
    expect(announcements([model('churn')], [building])).toEqual(['churn: build.']);
  });

  it('tell how an iteration ended and what serves now', () => {
    const after = model('churn', { live: live(3) }, [row(2), row(3)]);
    expect(announcements([building], [after])).toEqual([
      'churn version 3 verified, exact in 1.50 s.',
      'churn now serves version 3.'
    ]);
    expect(announcements([building], [model('churn', {}, [failedRow(3)])])).toEqual([
      'churn version 3 failed in 1.50 s.'
    ]);
  });

  it('tell nothing where nothing changed, nor on the first look', () => {
    const same = [model('churn')];
    expect(announcements(same, same)).toEqual([]);
    expect(announcements([], same)).toEqual([]);
  });
});

describe("the kernel's answer", () => {
  const candidates = { format: 1, version: '0.1.0', loaded: true, models: [], samples: [], metrics: [] };

  it('holds the candidates', () => {
    const reply = { status: 'ok', data: { 'application/json': candidates } };
    expect(answerFrom(reply)).toEqual({ kind: 'candidates', candidates });
  });

  it('tells a missing package from other failures', () => {
    const evalue = "No module named 'jupyter_containeriter'";
    expect(answerFrom({ status: 'error', ename: 'ModuleNotFoundError', evalue })).toEqual({ kind: 'missing' });
    expect(answerFrom({ status: 'error', ename: 'ImportError', evalue: 'broken' })).toEqual({
      kind: 'error',
      message: 'ImportError: broken'
    });
    expect(answerFrom(undefined).kind).toBe('error');
  });

  it('of another format is refused with what to do', () => {
    const reply = { status: 'ok', data: { 'application/json': { ...candidates, format: 2 } } };
    expect(answerFrom(reply)).toMatchObject({ message: expect.stringContaining('install the same version') });
  });
});
