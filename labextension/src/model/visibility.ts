/** A tab that nobody looked at for this long needs no connection. */
export const HIDDEN_MS = 60_000;

/**
 * Call `pause` once the document was hidden for a while, and `resume` when somebody looks again.
 *
 * @returns how to stop watching.
 */
export function whileVisible(document: Document, resume: () => void, pause: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let paused = false;
  const changed = (): void => {
    clearTimeout(timer);
    if (document.visibilityState === 'hidden') {
      timer = setTimeout(() => {
        paused = true;
        pause();
      }, HIDDEN_MS);
    } else if (paused) {
      paused = false;
      resume();
    }
  };
  document.addEventListener('visibilitychange', changed);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', changed);
  };
}
