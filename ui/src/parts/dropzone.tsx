// Owns the place where one file is dropped or chosen. Must not know what the file is for.
import { useRef, useState, type DragEvent } from 'react';
import { UploadIcon } from './icons';
import '../style/drop.css';

interface DropZoneProps {
  /** What comes in here, for who cannot see it. */
  label: string;
  choose: string;
  invite: string;
  hint: string;
  accept?: string;
  large?: boolean;
  onFile: (file: File) => void;
}

export function DropZone({ label, choose, invite, hint, accept, large = false, onFile }: DropZoneProps) {
  const [over, setOver] = useState(false);
  const browse = useRef<HTMLInputElement>(null);
  const take = (file: File | undefined): void => {
    if (file) onFile(file);
  };
  const drop = (e: DragEvent): void => {
    e.preventDefault();
    setOver(false);
    take(e.dataTransfer.files[0]);
  };
  return (
    <div
      className={`drop${over ? ' drop-over' : ''}${large ? ' drop-large' : ''}`}
      role="group"
      aria-label={label}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <input
        ref={browse}
        type="file"
        className="visually-hidden"
        tabIndex={-1}
        aria-label={choose}
        accept={accept}
        onChange={(e) => take(e.target.files?.[0])}
      />
      <button type="button" className="drop-invite" onClick={() => browse.current?.click()}>
        <UploadIcon />
        <span>{invite}</span>
        <span className="fine">{hint}</span>
      </button>
    </div>
  );
}
