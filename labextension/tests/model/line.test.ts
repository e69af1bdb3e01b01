import { describe, expect, it } from 'vitest';
import { cell, containerizeLine, isOneWord, restoreLine, type Choice } from '../../src/model/line';
import { nameFrom, nameProblem } from '../../src/model/names';
import { curl } from '../../src/model/curl';

const NO_OPTIONS = { engine: '', memory: '', cpus: 0 };
const CHOICE: Choice = { variable: 'clf', name: 'wine', sample: 'X_test[:5]', metrics: [], note: '' };

function line(change: Partial<Choice>): string {
  return containerizeLine({ ...CHOICE, ...change }, NO_OPTIONS);
}

describe('the line of a cell', () => {
  it('says what was chosen and nothing else', () => {
    expect(line({})).toBe('%containerize clf --name wine --sample X_test[:5]');
    expect(line({ sample: ' ' })).toBe('%containerize clf --name wine');
  });

  it('gives each metric its own option', () => {
    const metrics = [
      { key: 'accuracy', expression: 'acc' },
      { key: 'f1', expression: 'scores["f1"]' }
    ];
    expect(line({ metrics })).toContain('--metric accuracy=acc --metric f1=scores["f1"]');
  });

  it('leaves spaces inside brackets as they are and quotes others', () => {
    expect(line({ sample: 'X[["a", "b"]][:5]' })).toContain('--sample X[["a", "b"]][:5]');
    expect(line({ sample: 'X[:5] + 1' })).toContain('--sample "X[:5] + 1"');
    expect(line({ metrics: [{ key: 'half', expression: 'a / 2' }] })).toContain('--metric "half=a / 2"');
  });

  it('always quotes a note, in quotes that it does not hold, on one line', () => {
    expect(line({ note: 'deeper' })).toContain('--note "deeper"');
    expect(line({ note: 'a "deep"\ntree' })).toContain(`--note 'a "deep" tree'`);
    expect(line({ note: `it's "deep"` })).toContain(`--note "it's 'deep'"`);
  });

  it('writes a value that begins with a dash so that it is no option', () => {
    expect(line({ note: '- less' })).toContain('--note="- less"');
    expect(line({ sample: '-X[:5]' })).toContain('--sample=-X[:5]');
  });

  it('adds what the settings give', () => {
    expect(containerizeLine(CHOICE, { engine: 'sandbox', memory: '1g', cpus: 2 })).toContain(
      '--engine sandbox --memory 1g --cpus 2'
    );
  });

  it('loads the magics first where they are not loaded', () => {
    expect(cell('%restore wine:3', true)).toBe('%restore wine:3');
    expect(cell(restoreLine('wine', 3), false)).toBe('%load_ext jupyter_containeriter\n%restore wine:3');
  });

  it('knows one word from several as the parser of the magics does', () => {
    expect(['a', 'f(a, b)', '"a b"', "d['a b']"].map(isOneWord)).toEqual([true, true, true, true]);
    expect(['a b', 'f(a) + b', '"a', '(a'].map(isOneWord)).toEqual([false, false, false, false]);
  });
});

describe('a name', () => {
  it('may be what an image reference can hold', () => {
    expect(['wine', 'wine-2', 'a.b_c', 'a__b', 'a--b'].map(nameProblem)).toEqual([null, null, null, null, null]);
  });

  it('is proposed where it cannot be one', () => {
    expect(nameProblem('My Wine')).toContain('my-wine');
    expect(nameProblem('-wine')).toContain(': wine');
    expect(nameProblem('')).toContain('Give it a name');
    expect(nameProblem('a'.repeat(101))).toContain('100');
  });

  it('is made of anything', () => {
    expect([nameFrom('MyModel'), nameFrom('grid.best_'), nameFrom('??')]).toEqual(['mymodel', 'grid-best', 'model']);
  });
});

describe('the curl command', () => {
  it('reaches the deployment through Jupyter, and holds no token', () => {
    expect(curl('https://hub.org/user/ada/', 'containeriter/proxy/wine/', '{"inputs": [1]}')).toBe(
      `curl -H "Authorization: token $JUPYTER_TOKEN" -H 'Content-Type: application/json' -d '{"inputs": [1]}' 'https://hub.org/user/ada/containeriter/proxy/wine/invocations'`
    );
  });

  it('survives quotes in the example', () => {
    expect(curl('http://localhost:8888/', 'p/', `{"a": "it's"}`)).toContain(`-d '{"a": "it'\\''s"}'`);
  });
});
