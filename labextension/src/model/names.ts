/** What a name may look like, as the Python side checks it: a path component of an image reference. */
export const NAME_PATTERN = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
export const NAME_LENGTH = 100;

const NAME = new RegExp(`^${NAME_PATTERN}$`);

/** Say what is wrong with a name and propose one; null where nothing is. */
export function nameProblem(name: string): string | null {
  if (!name) {
    return 'Give it a name, for example churn.';
  }
  if (name.length > NAME_LENGTH) {
    return `At most ${NAME_LENGTH} characters.`;
  }
  if (NAME.test(name)) {
    return null;
  }
  return `Lower-case letters and digits, with single - _ . between them: ${nameFrom(name)}`;
}

/** Make a name of anything. */
export function nameFrom(text: string): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.join('-').slice(0, NAME_LENGTH).replace(/-+$/, '') || 'model';
}
