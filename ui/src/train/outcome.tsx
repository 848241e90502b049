// Owns the version that a training made: whether it is ready, and the making it live. Must not know how it was
// trained.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';
import { promote, version as getVersion } from '../api/calls';
import { asProblem } from '../api/problem';
import type { Trained, Training } from '../api/types';
import { DownloadLink } from '../output/download';
import { Badge, Notice, ProblemNotice, Said } from '../parts/bits';
import { bytes } from '../parts/format';
import { toast } from '../parts/toasts';

const REFRESH_BUILDING_MS = 1_500;

export function NewVersion({ training, trained }: { training: Training; trained: Trained }) {
  const [owner = '', name = ''] = training.destination.split('/');
  const id = trained.version.split(':')[1] ?? '';
  const queries = useQueryClient();
  const query = useQuery({
    queryKey: ['version', owner, name, id],
    queryFn: () => getVersion(owner, name, id),
    refetchInterval: (q) => (q.state.data?.state === 'building' ? REFRESH_BUILDING_MS : false),
  });
  const change = useMutation({
    mutationFn: () => promote(owner, name, id),
    onSuccess: () => {
      toast(`Version ${trained.number} is live now.`);
      void queries.invalidateQueries({ queryKey: ['version', owner, name, id] });
      void queries.invalidateQueries({ queryKey: ['versions', owner, name] });
      void queries.invalidateQueries({ queryKey: ['model', owner, name] });
    },
  });
  const version = query.data;
  const refused = change.error ?? query.error;
  return (
    <section className="panel" aria-label="New version">
      <div className="row">
        <h2>
          <Link href={`/m/${owner}/${name}/versions`}>
            Version {trained.number} of {training.destination}
          </Link>
        </h2>
        {version?.live && <Badge tone="good">Live</Badge>}
        {version?.state === 'ready' && !version.live && <Badge tone="calm">Ready, not live</Badge>}
        {version?.state === 'building' && <Badge tone="wait">Being tried</Badge>}
        {version?.state === 'failed' && <Badge tone="bad">Failed</Badge>}
        {version?.state === 'deleted' && <Badge tone="calm">Deleted</Badge>}
      </div>
      {version?.state === 'building' && (
        <p className="fine" role="status">
          The version is tried with its examples before it can go live
          {version.text ? ` (${version.text})` : ''}.
        </p>
      )}
      {version?.state === 'failed' && version.error && <Notice title={version.error.message} />}
      {trained.held_back && !version?.live && (
        <Notice tone="warn" title="It does not go live by itself.">
          <p>
            <Said text={trained.held_back} />
          </p>
        </Notice>
      )}
      {refused && <ProblemNotice problem={asProblem(refused)} />}
      <div className="row">
        {version?.state === 'ready' && !version.live && (
          <button
            type="button"
            className="button primary"
            disabled={change.isPending}
            onClick={() => change.mutate()}
          >
            Make live
          </button>
        )}
        {version?.live && (
          <Link href={`/m/${owner}/${name}`} className="button">
            Try it
          </Link>
        )}
        {version?.weights && (
          <DownloadLink link={version.weights.url} name={version.weights.name}>
            {`Weights (${bytes(version.weights.size)})`}
          </DownloadLink>
        )}
      </div>
    </section>
  );
}
