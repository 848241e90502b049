// Owns the Schedule tab of a model, for owners: its schedules, and a new one. Must not know what ticks are.
import { useState } from 'react';
import type { Model, Schema, Version } from '../api/types';
import { Empty } from '../parts/bits';
import { Schedules } from '../schedule/list';
import { NewSchedule } from '../schedule/new';

interface ScheduleTabProps {
  model: Model;
  version: Version;
  schemas: Record<string, Schema>;
}

export default function ScheduleTab({ model, version, schemas }: ScheduleTabProps) {
  // Another form after each schedule that is made.
  const [made, setMade] = useState(0);
  return (
    <div className="schedule">
      <NewSchedule
        key={made}
        model={model}
        version={version}
        schemas={schemas}
        onMade={() => setMade(made + 1)}
      />
      <section className="stack" aria-label="Schedules">
        <h2>Schedules</h2>
        <Schedules model={`${model.owner}/${model.name}`}>
          <Empty title="Nothing is scheduled">
            <p>A schedule runs this model again and again: every morning, say, over the newest data.</p>
          </Empty>
        </Schedules>
      </section>
    </div>
  );
}
