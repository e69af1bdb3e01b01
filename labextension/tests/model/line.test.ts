import { describe, expect, it } from 'vitest';
import { cell, containerizeLine, isOneWord, restoreLine, type Choice } from '../../src/model/line';
import { nameFrom, nameProblem } from '../../src/model/names';
import { curl } from '../../src/model/curl';
import { lines, names } from './lines.json';

const NO_OPTIONS = { engine: '', memory: '', cpus: 0 };
const CHOICE: Choice = { variable: 'clf', name: 'wine', sample: 'X_test[:5]', metrics: [], note: '' };

describe('the line of a cell', () => {
  // That the parser of the magics reads the same from these lines is a test of the Python side.
  it.each(lines)('is $line', ({ choice, line }) => {
    expect(containerizeLine({ ...CHOICE, ...choice }, NO_OPTIONS)).toBe(line);
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
    expect(names.good.filter(nameProblem)).toEqual([]);
    expect(names.bad.filter(name => !nameProblem(name))).toEqual([]);
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
