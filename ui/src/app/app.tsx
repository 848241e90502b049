// Owns which page stands at which address; every page but the gallery loads when it is opened. Must not know
// what pages show.
import { Component, lazy, Suspense, type ReactNode } from 'react';
import { Route, Router, Switch } from 'wouter';
import { Notice, Skeleton } from '../parts/bits';
import { Toasts } from '../parts/toasts';
import Gallery from '../pages/gallery';
import { routerBase } from './base';
import { Shell } from './shell';

const Login = lazy(() => import('../pages/login'));
const ModelPage = lazy(() => import('../pages/model'));
const RunPage = lazy(() => import('../pages/run'));
const BatchPage = lazy(() => import('../pages/batchjob'));
const TrainingPage = lazy(() => import('../pages/training'));
const DatasetsPage = lazy(() => import('../pages/datasets'));
const DatasetPage = lazy(() => import('../pages/dataset'));
const SchedulesPage = lazy(() => import('../pages/schedules'));
const UsagePage = lazy(() => import('../pages/usage'));
const NotFound = lazy(() => import('../pages/notfound'));

export function App() {
  return (
    <Router base={routerBase}>
      <Switch>
        <Route path="/login">
          <Suspense fallback={null}>
            <Login />
          </Suspense>
        </Route>
        <Route>
          <Shell>
            <Guard>
              <Suspense fallback={<Skeleton lines={6} />}>
                <Switch>
                  <Route path="/" component={Gallery} />
                  <Route path="/m/:owner/:name/:tab">
                    {(p) => (
                      <ModelPage key={`${p.owner}/${p.name}`} owner={p.owner} name={p.name} tab={p.tab} />
                    )}
                  </Route>
                  <Route path="/m/:owner/:name">
                    {(p) => (
                      <ModelPage key={`${p.owner}/${p.name}`} owner={p.owner} name={p.name} tab="try" />
                    )}
                  </Route>
                  <Route path="/m/:name">{(p) => <ModelPage owner="lab" name={p.name} tab="try" />}</Route>
                  <Route path="/runs/:id">{(p) => <RunPage key={p.id} id={p.id} />}</Route>
                  <Route path="/batches/:id">{(p) => <BatchPage key={p.id} id={p.id} />}</Route>
                  <Route path="/trainings/:id">{(p) => <TrainingPage key={p.id} id={p.id} />}</Route>
                  <Route path="/datasets" component={DatasetsPage} />
                  <Route path="/datasets/:name">{(p) => <DatasetPage key={p.name} name={p.name} />}</Route>
                  <Route path="/schedules" component={SchedulesPage} />
                  <Route path="/usage" component={UsagePage} />
                  <Route component={NotFound} />
                </Switch>
              </Suspense>
            </Guard>
          </Shell>
        </Route>
      </Switch>
      <Toasts />
    </Router>
  );
}

/** A page that breaks must leave the frame standing and say what to do. */
class Guard extends Component<{ children: ReactNode }, { broken: Error | null }> {
  override state = { broken: null as Error | null };
  static getDerivedStateFromError = (broken: Error) => ({ broken });
  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    // Parts of the page are files too, and need the server when they are first opened.
    const cut = /import|fetch|load/i.test(this.state.broken.message);
    return (
      <Notice title={cut ? 'This part of the page could not be loaded.' : 'This page broke.'}>
        <p>
          {cut ? 'Is the server still there? ' : ''}
          Nothing that was running is lost.
        </p>
        <button type="button" className="button small" onClick={() => location.reload()}>
          Reload
        </button>
      </Notice>
    );
  }
}
