/** A command for a shell that asks the deployment through Jupyter's own server, which adds the deployment's token. */
export function curl(baseUrl: string, proxy: string, example: string): string {
  return [
    'curl',
    '-H "Authorization: token $JUPYTER_TOKEN"',
    "-H 'Content-Type: application/json'",
    `-d ${inQuotes(example || '{"inputs": []}')}`,
    inQuotes(new URL(`${proxy}invocations`, baseUrl).href)
  ].join(' ');
}

function inQuotes(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
