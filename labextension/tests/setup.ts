import { cleanup } from '@testing-library/react';
import { afterEach, vi } from 'vitest';

// What browsers have and jsdom has not, and JupyterLab's components expect when they are imported.
vi.stubGlobal('DragEvent', class extends MouseEvent {});
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  }
);
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
// Asked by axe-core whether text is drawn as icons.
HTMLCanvasElement.prototype.getContext = () => null;

afterEach(cleanup);
