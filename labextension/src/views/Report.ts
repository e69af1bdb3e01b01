import { IFrame, fileIcon } from '@jupyterlab/ui-components';

/** The report of a model: one page without scripts, in a frame that could run none. */
export class ReportWidget extends IFrame {
  constructor(
    readonly modelName: string,
    private readonly fetchReport: () => Promise<string>
  ) {
    super({ sandbox: [] });
    this.addClass('jp-ContainerIter-report');
    this.title.label = `Report: ${modelName}`;
    this.title.icon = fileIcon;
    this.frame.title = `Report of ${modelName}`;
  }

  /** Show it as it is now. */
  async refresh(): Promise<void> {
    if (!this.frame.srcdoc) {
      this.frame.srcdoc = MAKING;
    }
    this.frame.srcdoc = await this.fetchReport();
  }

  private get frame(): HTMLIFrameElement {
    return this.node.querySelector('iframe')!;
  }
}

const MAKING =
  '<meta name="color-scheme" content="light dark">' +
  '<p style="font: 13px system-ui; margin: 16px">Making the report…</p>';
