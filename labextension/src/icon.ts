import { LabIcon } from '@jupyterlab/ui-components';

/** A box on its way round. */
export const iterationsIcon = new LabIcon({
  name: 'jupyter-containeriter:iterations',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M12 2a10 10 0 0 1 9.2 6.1l-1.9.8A8 8 0 0 0 5.6 7.2L8 9.6H2V3.6l2.2 2.2A10 10 0 0 1 12 2z"/>
    <path d="M22 14.4v6l-2.2-2.2A10 10 0 0 1 2.8 15.9l1.9-.8a8 8 0 0 0 13.7 1.7L16 14.4z"/>
    <path d="M12 7.6l3.9 2.1L12 11.8 8.1 9.7zM7.6 10.8l3.8 2v4.1l-3.8-2zM16.4 10.8v4.1l-3.8 2v-4.1z"/>
  </g>
</svg>`
});
