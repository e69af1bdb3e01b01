import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { TabPanel, type Widget } from '@lumino/widgets';

export interface ViewOptions<T> {
  /** Part of the ids of the widgets. */
  kind: string;
  /** Shows the view of a model, for the layout that is restored. */
  command: string;
  area: 'main' | 'down';
  make: (name: string) => T;
}

/** Views of models, at most one for each model. */
export class ModelViews<T extends Widget & { modelName: string }> {
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    restorer: ILayoutRestorer | null,
    private readonly options: ViewOptions<T>
  ) {
    this.tracker = new WidgetTracker({ namespace: `containeriter-${options.kind}` });
    const name = ({ content }: MainAreaWidget<T>): string => content.modelName;
    void restorer?.restore(this.tracker, { command: options.command, args: view => ({ name: name(view) }), name });
  }

  /** Show the view of a model, and return what is in it. */
  show(name: string): T {
    const view = this.tracker.find(({ content }) => content.modelName === name) ?? this.add(name);
    this.shell.activateById(view.id);
    selectTab(view);
    return view.content;
  }

  private add(name: string): MainAreaWidget<T> {
    const { kind, make, area } = this.options;
    const view = new MainAreaWidget({ content: make(name) });
    view.id = `containeriter-${kind}-${name}`;
    view.content.addClass('jp-ContainerIter-view');
    view.toolbar.hide();
    this.shell.add(view, area);
    void this.tracker.add(view);
    return view;
  }

  private readonly tracker: WidgetTracker<MainAreaWidget<T>>;
}

/** Notebook 7 shows the area below the notebook, but leaves the tab that was selected there. */
function selectTab(view: Widget): void {
  const tabs = view.parent?.parent;
  if (tabs instanceof TabPanel) {
    tabs.currentWidget = view;
  }
}
