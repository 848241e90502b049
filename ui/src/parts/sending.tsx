// Owns how an upload on its way is shown. Must not know what is sent.
import type { Sending } from '../api/sending';
import { Bar } from './bits';

export function SendingBar({ sending: { sent, cut } }: { sending: Sending }) {
  return (
    <div>
      <span className="fine" role="status">
        {cut
          ? `The connection is lost at ${Math.round(sent * 100)} %. It goes on by itself when it is back.`
          : sent < 1
            ? `Uploading… ${Math.round(sent * 100)} %`
            : 'All is sent; the server is storing it.'}
      </span>
      <Bar done={sent} total={1} label="Upload" />
    </div>
  );
}
