import { IFrame, fileIcon } from '@jupyterlab/ui-components';

/** The report of a model: one page without scripts, in a frame that could run none. */
export class ReportWidget extends IFrame {
  constructor(
    readonly modelName: string,
    private readonly fetchReport: () => Promise<string>
  ) {
    super({ sandbox: [] });
    this.title.label = `Report: ${modelName}`;
    this.title.icon = fileIcon;
    this.frame.title = `Report of ${modelName}`;
  }

  /** Show it as it is now. */
  async refresh(): Promise<void> {
    this.frame.srcdoc = await this.fetchReport();
  }

  private get frame(): HTMLIFrameElement {
    return this.node.querySelector('iframe')!;
  }
}
