// Owns the giving of feedback on one prediction: thumb, reason, comment, correction, and that it was sent.
// Must not know how the result was shown.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { useAccount } from '../app/session';
import { giveFeedback } from '../api/calls';
import type { FeedbackDraft, Prediction } from '../api/types';
import { isScores, sortedScores } from '../output/kind';
import { DownIcon, UpIcon } from '../parts/icons';
import { toastError } from '../parts/toasts';
import { correctionText, correctionValue } from './correction';

export function FeedbackBox({ record, ask }: { record: Prediction; ask: string[] }) {
  const given = record.feedback;
  const [rating, setRating] = useState<1 | -1 | null>(given?.rating ?? null);
  const [open, setOpen] = useState(false);
  const [sent, setSent] = useState(given !== null && given !== undefined);
  const owner = useAccount()?.role === 'owner';
  const queries = useQueryClient();
  const send = useMutation({
    mutationFn: (draft: FeedbackDraft) => giveFeedback(record.id, draft),
    onSuccess: () => {
      setSent(true);
      void queries.invalidateQueries({ queryKey: ['feedback'] });
      void queries.invalidateQueries({ queryKey: ['runs'] });
    },
    onError: toastError,
  });
  const details = (
    <Details
      record={record}
      ask={ask}
      rating={rating}
      busy={send.isPending}
      onSend={(draft) => send.mutate(draft, { onSuccess: () => setOpen(false) })}
      onClose={() => setOpen(false)}
    />
  );
  const rate = (next: 1 | -1): void => {
    setRating(next);
    setOpen(true);
    send.mutate({ rating: next });
  };
  if (record.status === 'failed') {
    // Nobody can say whether a failure was right; what they tried to do is worth telling.
    return (
      <section className="feedback" aria-label="Feedback">
        {open ? (
          details
        ) : (
          <div className="feedback-ask">
            {sent && <span>Thank you, your feedback is kept.</span>}
            <button type="button" className="link" onClick={() => setOpen(true)}>
              {sent ? 'Say more' : owner ? 'Add a note' : 'Tell the author about it'}
            </button>
          </div>
        )}
      </section>
    );
  }
  return (
    <section className="feedback" aria-label="Feedback">
      <div className="feedback-ask">
        <span>{sent && !open ? 'Thank you, your feedback is kept.' : 'Was this right?'}</span>
        <button
          type="button"
          className="thumb"
          aria-pressed={rating === 1}
          aria-label="Yes, good"
          onClick={() => rate(1)}
        >
          <UpIcon />
        </button>
        <button
          type="button"
          className="thumb thumb-down"
          aria-pressed={rating === -1}
          aria-label="No, not good"
          onClick={() => rate(-1)}
        >
          <DownIcon />
        </button>
        {sent && !open && (
          <button type="button" className="link" onClick={() => setOpen(true)}>
            Say more
          </button>
        )}
      </div>
      {open && details}
    </section>
  );
}

function Details(props: {
  record: Prediction;
  ask: string[];
  rating: 1 | -1 | null;
  busy: boolean;
  onSend: (draft: FeedbackDraft) => void;
  onClose: () => void;
}) {
  const { record, ask, rating } = props;
  const id = useId();
  const before = record.feedback;
  const [reason, setReason] = useState(before?.reason ?? '');
  const [comment, setComment] = useState(before?.comment ?? '');
  const [correction, setCorrection] = useState(correctionText(before?.correction));
  const failed = record.status === 'failed';
  const labels = isScores(record.output) ? sortedScores(record.output).map((s) => s.label) : [];
  const empty = !comment.trim() && !correction.trim() && !reason;
  return (
    <form
      className="feedback-more"
      onSubmit={(e) => {
        e.preventDefault();
        props.onSend({
          rating,
          ...(comment.trim() ? { comment: comment.trim() } : {}),
          ...(correction.trim() ? { correction: correctionValue(correction, record.output) } : {}),
          ...(reason ? { reason } : {}),
        });
      }}
    >
      {ask.length > 0 && !failed && (
        <div className="chips" role="group" aria-label="What was it?">
          {ask.map((text) => (
            <button
              key={text}
              type="button"
              className="chip"
              aria-pressed={reason === text}
              onClick={() => setReason(reason === text ? '' : text)}
            >
              {text}
            </button>
          ))}
        </div>
      )}
      <label htmlFor={`${id}-comment`}>{failed ? 'What did you want to do?' : 'Comment'}</label>
      <textarea
        id={`${id}-comment`}
        className="input"
        rows={2}
        value={comment}
        onChange={(e) => setComment(e.target.value)}
      />
      {!failed && (
        <>
          <label htmlFor={`${id}-correction`}>What would have been right?</label>
          <input
            id={`${id}-correction`}
            className="input"
            list={labels.length ? `${id}-labels` : undefined}
            value={correction}
            autoComplete="off"
            onChange={(e) => setCorrection(e.target.value)}
          />
        </>
      )}
      {labels.length > 0 && (
        <datalist id={`${id}-labels`}>
          {labels.map((label) => (
            <option key={label} value={label} />
          ))}
        </datalist>
      )}
      <div className="row">
        <button
          type="submit"
          className="button small primary"
          disabled={props.busy || (rating === null && empty)}
        >
          Send
        </button>
        <button type="button" className="button small" onClick={props.onClose}>
          Close
        </button>
        <span className="fine" role="status">
          {rating !== null ? 'Your thumb is already kept.' : ''}
        </span>
      </div>
    </form>
  );
}
