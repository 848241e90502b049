// Owns what is said at an address where nothing is. Must not know what was looked for.
import { Link } from 'wouter';
import { Empty } from '../parts/bits';
import { useTitle } from '../parts/hooks';

export default function NotFound() {
  useTitle('Not found');
  return (
    <Empty title="There is nothing here">
      <p>
        The link may be old, or the thing it named was deleted. <Link href="/">All models</Link>
      </p>
    </Empty>
  );
}
