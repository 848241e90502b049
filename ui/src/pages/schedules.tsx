// Owns the page of all schedules, for the owner. Must not know how one is made: that is on each model's page.
import { Link } from 'wouter';
import { Empty } from '../parts/bits';
import { useTitle } from '../parts/hooks';
import { Schedules } from '../schedule/list';
import '../style/model.css';

export default function SchedulesPage() {
  useTitle('Schedules');
  return (
    <>
      <header className="page-head">
        <h1>Schedules</h1>
        <p className="lead">What is run by the clock. A new one is made on a model&apos;s Schedule tab.</p>
      </header>
      <Schedules>
        <Empty title="Nothing is scheduled">
          <p>
            Pick one of the <Link href="/">models</Link> and open its Schedule tab.
          </p>
        </Empty>
      </Schedules>
    </>
  );
}
