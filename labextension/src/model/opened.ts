/** Which models are opened, kept from one page load to the next. */
export class OpenedModels {
  /** @param keep called with the names after each change by a person. */
  constructor(private readonly keep: (names: string[]) => void = () => undefined) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): ReadonlySet<string> => this.names;

  /** Open what was kept. */
  restore(names: string[]): void {
    this.set(new Set([...names, ...this.names]));
  }

  readonly toggle = (name: string): void => {
    const names = new Set(this.names);
    if (!names.delete(name)) {
      names.add(name);
    }
    this.set(names);
    this.keep([...names]);
  };

  private set(names: ReadonlySet<string>): void {
    this.names = names;
    this.listeners.forEach(listener => listener());
  }

  private names: ReadonlySet<string> = new Set();
  private readonly listeners = new Set<() => void>();
}
