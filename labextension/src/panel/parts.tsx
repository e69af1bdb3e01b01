import type { LabIcon } from '@jupyterlab/ui-components';
import type { ReactNode } from 'react';
import type { Mark } from '../model/format';
import type { Problem } from '../model/types';

/** A state as a mark and a word, coloured by the theme. */
export function Word({ mark, title }: { mark: Mark; title?: string }): JSX.Element {
  return (
    <span className={`jp-ContainerIter-word jp-mod-${mark.tone}`} title={title}>
      <span aria-hidden="true">{mark.sign}</span> {mark.word}
    </span>
  );
}

interface ActionProps {
  icon: LabIcon;
  /** What it does, and with what: what a screen reader says. */
  label: string;
  /** A word beside the icon, where there is room. */
  word?: string;
  danger?: boolean;
  onClick: () => void;
}

/** A button of one icon, with a word beside it where the panel is wide. */
export function Action({ icon, label, word, danger, onClick }: ActionProps): JSX.Element {
  const className = `jp-ContainerIter-action${danger ? ' jp-mod-danger' : ''}`;
  return (
    <button type="button" className={className} title={label} aria-label={label} onClick={onClick}>
      <icon.react tag="span" className="jp-ContainerIter-icon" />
      {word ? <span className="jp-ContainerIter-actionWord">{word}</span> : null}
    </button>
  );
}

interface NoticeProps {
  problem: Problem;
  tone?: 'bad' | 'doubtful' | 'quiet';
  children?: ReactNode;
}

/** What is wrong, and what to do. Code in the remedy is between back quotes. */
export function Notice({ problem, tone = 'bad', children }: NoticeProps): JSX.Element {
  return (
    <div className={`jp-ContainerIter-notice jp-mod-${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
      <p className="jp-ContainerIter-noticeTitle">{problem.message}</p>
      {problem.remedy ? (
        <p>
          <Coded text={problem.remedy} />
        </p>
      ) : null}
      {children}
    </div>
  );
}

/** Text with `code` in it. */
export function Coded({ text }: { text: string }): JSX.Element {
  const pieces = text.split('`');
  return <>{pieces.map((piece, index) => (index % 2 ? <code key={index}>{piece}</code> : piece))}</>;
}
