import { Dialog, showDialog } from '@jupyterlab/apputils';
import { HTMLSelect, ReactWidget } from '@jupyterlab/ui-components';

/** A question with some answers; its value is the index of the one that is selected. */
class Choices extends ReactWidget {
  constructor(
    private readonly label: string,
    private readonly items: string[]
  ) {
    super();
  }

  getValue(): number {
    return this.node.querySelector('select')!.selectedIndex;
  }

  protected render(): JSX.Element {
    return (
      <label className="jp-ContainerIter-choices jp-ContainerIter-controls">
        {this.label}
        <HTMLSelect>
          {this.items.map((item, index) => (
            <option key={index}>{item}</option>
          ))}
        </HTMLSelect>
      </label>
    );
  }
}

/** Let a person choose one of some items; null where none is wanted. */
export async function chosen<T>(
  question: { title: string; label: string; accept: string },
  items: T[],
  describe: (item: T) => string
): Promise<T | null> {
  const { button, value } = await showDialog({
    title: question.title,
    body: new Choices(question.label, items.map(describe)),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: question.accept })],
    focusNodeSelector: 'select'
  });
  return button.accept && value !== null ? items[value] : null;
}
