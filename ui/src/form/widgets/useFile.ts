// Owns the state of one chosen file: being sent, held, shown, removed. Must not know how it is drawn.
import { useEffect, useRef, useState } from 'react';
import { SENDING_FIRST, type Sending } from '../../api/sending';
import { resolveLink } from '../../app/base';
import { bytes } from '../../parts/format';
import { toast, toastError } from '../../parts/toasts';
import { accepts, choose, nameOf, type Chosen } from '../files';

export interface FileState {
  value: string;
  /** Null when nothing is being sent. */
  sending: Sending | null;
  show: string | null;
  name: string;
  facts: string;
  take: (file: File | undefined) => void;
  clear: () => void;
}

export function useFile(
  kind: string,
  given: unknown,
  onChange: (value: string | undefined) => void,
): FileState {
  const value = typeof given === 'string' ? given : '';
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [sending, setSending] = useState<Sending | null>(null);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  const take = (file: File | undefined): void => {
    if (!file) return;
    if (!accepts(file, kind)) {
      toast(`${file.name || 'This file'} is not of kind ${kind}.`, 'bad');
      return;
    }
    abort.current?.abort();
    const controller = new AbortController();
    abort.current = controller;
    setSending(SENDING_FIRST);
    choose(file, setSending, controller.signal)
      .then((next) => {
        setChosen(next);
        onChange(next.value);
      })
      .catch((error: unknown) => !controller.signal.aborted && toastError(error))
      .finally(() => abort.current === controller && setSending(null));
  };
  const clear = (): void => {
    abort.current?.abort();
    setChosen(null);
    setSending(null);
    onChange(undefined);
  };
  const own = chosen?.value === value ? chosen : null;
  return {
    value,
    sending,
    show: own ? own.show : resolveLink(value),
    name: own ? own.name : nameOf(value),
    facts: own ? `${own.name}, ${bytes(own.size)}` : nameOf(value),
    take,
    clear,
  };
}
