/** The cells that are inserted: what a person would have typed. */

export const LOAD_EXTENSION = '%load_ext jupyter_containeriter';
export const INSTALL = '%pip install jupyter_containeriter';

/** What `%containerize` is asked for. Empty texts are left out. */
export interface Choice {
  variable: string;
  name: string;
  sample: string;
  metrics: { key: string; expression: string }[];
  note: string;
}

/** Options of the inserted cell that the settings may give. */
export interface CellOptions {
  engine: string;
  memory: string;
  /** Zero: no limit is asked for. */
  cpus: number;
}

/** The line that containerizes what was chosen. */
export function containerizeLine(choice: Choice, options: CellOptions): string {
  return [
    '%containerize',
    word(choice.variable),
    ...option('--name', choice.name),
    ...option('--sample', choice.sample),
    ...choice.metrics.map(({ key, expression }) => `--metric ${pair(key, expression)}`),
    ...option('--note', oneLine(choice.note), quoted),
    ...option('--engine', options.engine),
    ...option('--memory', options.memory),
    ...(options.cpus > 0 ? [`--cpus ${options.cpus}`] : [])
  ].join(' ');
}

export function restoreLine(name: string, version: number): string {
  return `%restore ${name}:${version}`;
}

/** A cell with this line; the magics are loaded first where they are not yet. */
export function cell(line: string, loaded: boolean): string {
  return loaded ? line : `${LOAD_EXTENSION}\n${line}`;
}

/** Whether the parser of the magics takes the text as one word: no space outside brackets and quotes. */
export function isOneWord(text: string): boolean {
  let depth = 0;
  let quote = '';
  for (const character of text) {
    if (quote) {
      quote = character === quote ? '' : quote;
    } else if (`'"`.includes(character)) {
      quote = character;
    } else if ('([{'.includes(character)) {
      depth += 1;
    } else if (')]}'.includes(character)) {
      depth -= 1;
    } else if (/\s/.test(character) && depth <= 0) {
      return false;
    }
  }
  return depth <= 0 && !quote;
}

function option(flag: string, value: string, write: (text: string) => string = word): string[] {
  const text = value.trim();
  if (!text) {
    return [];
  }
  // A value that begins with a dash would be taken for an option of its own.
  return [`${flag}${text.startsWith('-') ? '=' : ' '}${write(text)}`];
}

function pair(key: string, expression: string): string {
  const both = `${key.trim()}=${expression.trim()}`;
  return isOneWord(both) ? both : quoted(both);
}

function word(text: string): string {
  const trimmed = text.trim();
  return isOneWord(trimmed) ? trimmed : quoted(trimmed);
}

/** In quotes that the text does not hold; the parser knows no escapes, so one kind gives way where it has both. */
function quoted(text: string): string {
  if (!text.includes('"')) {
    return `"${text}"`;
  }
  return text.includes("'") ? `"${text.replaceAll('"', "'")}"` : `'${text}'`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
