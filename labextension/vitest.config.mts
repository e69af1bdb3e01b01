import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    // JupyterLab's packages import style sheets and JSON, which Node alone does not.
    server: { deps: { inline: [/@jupyterlab/, /@lumino/, /@jupyter/] } },
    // The first file that imports JupyterLab's components waits for all of them to be transformed.
    testTimeout: 30_000
  }
});
