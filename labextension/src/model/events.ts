import { createParser } from 'eventsource-parser';

/** A server that says nothing at all for this long is gone: it sends a comment every 15 seconds. */
export const SILENCE_MS = 45_000;

/**
 * Hand on every event of a stream until it ends.
 *
 * @param stream what `open` gave; its signal also ends the reading.
 * @param onData the data of an event, as text.
 * @param silence called when nothing came for `SILENCE_MS`; it aborts the request.
 */
export async function readEvents(
  response: Response,
  onData: (data: string, event: string) => void,
  silence: () => void
): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = createParser({ onEvent: ({ data, event }) => onData(data, event ?? 'message') });
  let watch = setTimeout(silence, SILENCE_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      clearTimeout(watch);
      watch = setTimeout(silence, SILENCE_MS);
      parser.feed(value);
    }
  } finally {
    clearTimeout(watch);
  }
}
