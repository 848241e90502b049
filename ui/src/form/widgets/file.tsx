// Owns the input for files of any kind: drop, choose, paste, camera, drawing, preview. Must not know the API.
import type { WidgetProps } from '@rjsf/utils';
import { lazy, Suspense, useRef, useState, type ClipboardEvent, type DragEvent } from 'react';
import { CameraIcon, PenIcon, UploadIcon } from '../../parts/icons';
import { SendingBar } from '../../parts/sending';
import { ACCEPT, csvOfPaste } from '../files';
import { Preview } from './preview';
import { useFile, type FileState } from './useFile';
import '../../style/drop.css';

const DrawPad = lazy(() => import('./draw'));

const INVITE: Record<string, string> = {
  image: 'Drop an image here, paste one, or choose a file',
  audio: 'Drop a recording here, or choose a file',
  video: 'Drop a video here, or choose a file',
  table: 'Drop a table here, or paste rows from a spreadsheet',
  file: 'Drop a file here, or choose one',
};

function fileInput(kind: string) {
  return function FileInput(props: WidgetProps) {
    return <FileField {...props} kind={kind} />;
  };
}

export const AnyFile = fileInput('file');
export const ImageFile = fileInput('image');
export const AudioFile = fileInput('audio');
export const VideoFile = fileInput('video');
export const TableFile = fileInput('table');

function FileField(props: WidgetProps & { kind: string }) {
  const { kind, id, label, disabled } = props;
  const file = useFile(kind, props.value, props.onChange);
  const [over, setOver] = useState(false);
  const [drawing, setDrawing] = useState(false);
  const browse = useRef<HTMLInputElement>(null);

  const drop = (e: DragEvent): void => {
    e.preventDefault();
    setOver(false);
    file.take(e.dataTransfer.files[0]);
  };
  const paste = (e: ClipboardEvent): void => {
    const pasted =
      [...e.clipboardData.files][0] ?? (kind === 'table' ? csvOfPaste(e.clipboardData) : undefined);
    if (!pasted) return;
    e.preventDefault();
    file.take(pasted);
  };
  if (drawing) {
    const done = (drawn: File): void => {
      setDrawing(false);
      file.take(drawn);
    };
    return (
      <Suspense fallback={<div className="drop" />}>
        <DrawPad label={label} onDone={done} onClose={() => setDrawing(false)} />
      </Suspense>
    );
  }
  return (
    <div
      className={`drop${over ? ' drop-over' : ''}${file.value ? ' drop-full' : ''}`}
      role="group"
      aria-label={`${label}: file`}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      onPaste={paste}
    >
      <input
        ref={browse}
        className="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-label={`${label}: choose a file`}
        accept={ACCEPT[kind]}
        disabled={disabled}
        onChange={(e) => file.take(e.target.files?.[0])}
      />
      {!file.sending && !file.value ? (
        <button
          type="button"
          className="drop-invite"
          id={id}
          onClick={() => browse.current?.click()}
          disabled={disabled}
        >
          <UploadIcon />
          <span>{INVITE[kind]}</span>
        </button>
      ) : (
        <Held kind={kind} file={file} />
      )}
      <div className="drop-actions">
        {file.value !== '' && (
          <>
            <button type="button" className="button small" id={id} onClick={() => browse.current?.click()}>
              Replace
            </button>
            <button type="button" className="button small" onClick={file.clear}>
              Remove
            </button>
          </>
        )}
        {kind === 'image' && (
          <PictureActions
            label={label}
            disabled={disabled}
            onDraw={() => setDrawing(true)}
            onPhoto={file.take}
          />
        )}
      </div>
    </div>
  );
}

function Held({ kind, file }: { kind: string; file: FileState }) {
  if (file.sending) {
    return (
      <div className="drop-sending">
        <SendingBar sending={file.sending} />
      </div>
    );
  }
  return (
    <div className="drop-value">
      <Preview kind={kind} show={file.show} name={file.name} />
      <p className="fine">{file.facts}</p>
    </div>
  );
}

function PictureActions(props: {
  label: string;
  disabled?: boolean;
  onDraw: () => void;
  onPhoto: (file: File | undefined) => void;
}) {
  const camera = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" className="button small" onClick={props.onDraw} disabled={props.disabled}>
        <PenIcon /> Draw
      </button>
      <button type="button" className="button small only-touch" onClick={() => camera.current?.click()}>
        <CameraIcon /> Camera
      </button>
      <input
        ref={camera}
        className="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-label={`${props.label}: take a photo`}
        accept="image/*"
        capture="environment"
        onChange={(e) => props.onPhoto(e.target.files?.[0])}
      />
    </>
  );
}
