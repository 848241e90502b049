// Owns the offering of bytes for download, made here or behind a link. Must not know what they mean.
import { resolveLink } from '../app/base';
import { DownloadIcon } from '../parts/icons';

export function DownloadLink({ link, name, children }: { link: string; name: string; children?: string }) {
  const href = resolveLink(link);
  if (!href) return <span className="fine">(a link outside this installation was not shown)</span>;
  return (
    <a className="button small" href={href} download={name}>
      <DownloadIcon /> {children ?? 'Download'}
    </a>
  );
}

export function DownloadText(props: {
  text: () => string | Promise<string>;
  name: string;
  type: string;
  children?: string;
}) {
  const { text, name, type, children } = props;
  const save = async (): Promise<void> => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([await text()], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return (
    <button type="button" className="button small" onClick={() => void save()}>
      <DownloadIcon /> {children ?? 'Download'}
    </button>
  );
}
