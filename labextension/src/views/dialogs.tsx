import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { problemOf } from '../model/problem';
import type { Problem } from '../model/types';
import { Coded } from '../panel/parts';

/** Say what is wrong and what to do. */
export async function told(title: string, problem: Problem): Promise<void> {
  const body = (
    <div className="jp-ContainerIter-told">
      <p>
        <Coded text={problem.message} />
      </p>
      {problem.remedy ? (
        <p>
          <Coded text={problem.remedy} />
        </p>
      ) : null}
    </div>
  );
  await showDialog({ title, body, buttons: [Dialog.okButton({ label: 'Close' })] });
}

/** Ask before something that cannot be taken back. */
export async function confirmed(title: string, body: Dialog.Body<unknown>, label: string): Promise<boolean> {
  const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label })];
  return (await showDialog({ title, body, buttons, defaultButton: 0 })).button.accept;
}

export interface Words<T> {
  /** While it is done: `Deploying churn:3…`. */
  doing: string;
  /** Left out where what follows tells. */
  done?: (result: T) => string;
  /** Where it could not be: `churn:3 was not deployed`. */
  failed: string;
}

/** Carry something out: a notification while it is done and after, a dialog with the remedy where it fails. */
export async function carriedOut<T>(words: Words<T>, call: () => Promise<T>): Promise<T | null> {
  const id = Notification.emit(words.doing, 'in-progress', { autoClose: false });
  try {
    const result = await call();
    if (words.done) {
      Notification.update({ id, message: words.done(result), type: 'success', autoClose: 5000 });
    } else {
      Notification.dismiss(id);
    }
    return result;
  } catch (error) {
    Notification.dismiss(id);
    await told(words.failed, problemOf(error));
    return null;
  }
}
