// Owns the names of one version: chips, a field that gives it another, and their removal. Must not know what
// a name is used for.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { removeAlias, setAlias } from '../api/calls';
import type { Model, Version } from '../api/types';
import { toast, toastError } from '../parts/toasts';

export function Aliases({ version, model }: { version: Version; model: Model }) {
  const queries = useQueryClient();
  const [typed, setTyped] = useState<string | null>(null);
  const change = useMutation({
    mutationFn: ({ alias, gone }: { alias: string; gone?: boolean }) =>
      gone
        ? removeAlias(model.owner, model.name, alias)
        : setAlias(model.owner, model.name, alias, version.id),
    onSuccess: (_, { alias, gone }) => {
      toast(gone ? `${alias} is no name any more.` : `${alias} is version ${version.number} now.`);
      setTyped(null);
      void queries.invalidateQueries({ queryKey: ['versions', model.owner, model.name] });
      void queries.invalidateQueries({ queryKey: ['model', model.owner, model.name] });
    },
    onError: toastError,
  });
  const give = (e: FormEvent) => {
    e.preventDefault();
    if (typed?.trim()) change.mutate({ alias: typed.trim() });
  };
  return (
    <span className="aliases" role="group" aria-label={`Names of version ${version.number}`}>
      {(version.aliases ?? []).map((alias) => (
        <span key={alias} className="badge alias">
          {alias}
          <button
            type="button"
            className="alias-remove"
            aria-label={`Remove the name ${alias}`}
            disabled={change.isPending}
            onClick={() => change.mutate({ alias, gone: true })}
          >
            ×
          </button>
        </span>
      ))}
      {version.state === 'ready' && typed === null && (
        <button type="button" className="button small" onClick={() => setTyped('')}>
          Name it
        </button>
      )}
      {typed !== null && (
        <form className="row" onSubmit={give}>
          <input
            className="input alias-input"
            aria-label={`A name for version ${version.number}`}
            placeholder="staging"
            maxLength={63}
            // eslint-disable-next-line jsx-a11y/no-autofocus
            autoFocus
            value={typed}
            onChange={(e) => setTyped(e.target.value)}
            onKeyDown={(e) => e.key === 'Escape' && setTyped(null)}
          />
          <button type="submit" className="button small" disabled={change.isPending || !typed.trim()}>
            Set
          </button>
        </form>
      )}
    </span>
  );
}
