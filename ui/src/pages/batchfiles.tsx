// Owns the archive of a batch job: the files that a table's cells name by their paths. Must not know what the
// table is.
import { useEffect, useState } from 'react';
import { SENDING_FIRST } from '../api/sending';
import { asProblem, type Problem } from '../api/problem';
import { upload } from '../api/upload';
import { Notice, ProblemNotice } from '../parts/bits';
import { DropZone } from '../parts/dropzone';
import { bytes } from '../parts/format';
import { SendingBar } from '../parts/sending';
import { refusedArchive } from './mapping';

const ARCHIVES = '.zip,.tar,.tgz,.tar.gz,application/zip,application/x-tar';

/** `onArchive` hears how the job names it once it is on the server, and null while it is not. */
export function BatchFiles({ of, onArchive }: { of: string[]; onArchive: (name: string | null) => void }) {
  const [archive, setArchive] = useState<File | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const take = (file: File): void => {
    const why = refusedArchive(file.name);
    setRefused(why);
    if (!why) setArchive(file);
  };
  if (archive)
    return (
      <Sent
        key={`${archive.name}${archive.size}`}
        archive={archive}
        of={of}
        onArchive={onArchive}
        onBack={() => {
          onArchive(null);
          setArchive(null);
        }}
      />
    );
  return (
    <div className="stack">
      <p>
        The column for {of.join(' and ')} names files. Put them into a ZIP or TAR archive and add it here; a
        cell is the path of its file in there.
      </p>
      {refused && <Notice tone="warn" title={refused} />}
      <DropZone
        label="Files of the table"
        choose="Choose the archive"
        invite="Drop the archive here, or choose it"
        hint="ZIP or TAR"
        accept={ARCHIVES}
        onFile={take}
      />
    </div>
  );
}

function Sent(props: {
  archive: File;
  of: string[];
  onArchive: (name: string | null) => void;
  onBack: () => void;
}) {
  const { archive, of, onArchive, onBack } = props;
  const [sending, setSending] = useState(SENDING_FIRST);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [done, setDone] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    upload(archive, setSending, controller.signal)
      .then((stored) => {
        if (controller.signal.aborted) return;
        setDone(true);
        onArchive(`onstage://files/${stored.id}`);
      })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) setProblem(asProblem(error));
      });
    return () => controller.abort();
  }, [archive, onArchive]);
  return (
    <div className="stack">
      <div className="row row-ends">
        <div className="row">
          <strong>{archive.name}</strong>
          <span className="fine">
            {bytes(archive.size)}, with the files that {of.join(' and ')} names
          </span>
        </div>
        <button type="button" className="button small" onClick={onBack}>
          Another archive
        </button>
      </div>
      {problem ? <ProblemNotice problem={problem} /> : !done && <SendingBar sending={sending} />}
    </div>
  );
}
