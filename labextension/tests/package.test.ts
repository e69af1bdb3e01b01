import { expect, it } from 'vitest';
import lock from '../package-lock.json';
import manifest from '../package.json';

it('asks JupyterLab for its packages in the range it works with, not in the one it was built with', () => {
  // Left alone, the builder would ask for the versions of its own JupyterLab, and older ones would warn.
  const ours = Object.entries(manifest.dependencies).filter(([name]) => /^@(jupyterlab|lumino)\//.test(name));
  const asked = Object.entries(manifest.jupyterlab.sharedPackages).map(([name, it]) => [name, it.requiredVersion]);
  expect(asked).toEqual(ours);
});

it('locks packages without the address of a registry', () => {
  const resolved = Object.entries(lock.packages).filter(([, locked]) => 'resolved' in locked);
  expect(resolved).toEqual([]);
});
