/**
 * Which address shows what. Every page is a part of its own that is loaded when it is shown; all but sign-in are for
 * people who are signed in, and bring others there and back.
 */
import { lazy, type ReactNode, Suspense } from 'react'
import { Redirect, Route, Switch, useLocation, useSearch } from 'wouter'
import { ErrorState } from '../ui/ErrorState.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Layout } from './Layout.tsx'
import { NotFound } from './NotFound.tsx'
import { OrganizationProvider } from './organization.tsx'
import { PageErrors } from './PageErrors.tsx'
import { signInAddress } from './paths.ts'
import { PersonProvider, usePersonQuery } from './person.tsx'

const Sessions = lazy(async () => ({ default: (await import('../sessions/Sessions.tsx')).Sessions }))
const NewSession = lazy(async () => ({ default: (await import('../newSession/NewSession.tsx')).NewSession }))
const Session = lazy(async () => ({ default: (await import('../session/Session.tsx')).Session }))
const Usage = lazy(async () => ({ default: (await import('../usage/Usage.tsx')).Usage }))
const Settings = lazy(async () => ({ default: (await import('../settings/Settings.tsx')).Settings }))
const SignIn = lazy(async () => ({ default: (await import('../signIn/SignIn.tsx')).SignIn }))

export function App() {
  return (
    <Suspense fallback={<PageSpinner />}>
      <Switch>
        <Route path="/sign-in">
          <SignIn />
        </Route>
        <Route>
          <SignedIn>
            <Pages />
          </SignedIn>
        </Route>
      </Switch>
    </Suspense>
  )
}

function Pages() {
  const [path] = useLocation()
  return (
    <Layout>
      <PageErrors key={path}>
        <Suspense fallback={<PageSpinner />}>
          <Switch>
            <Route path="/">
              <Sessions />
            </Route>
            <Route path="/new">
              <NewSession />
            </Route>
            <Route path="/cloud/chat">
              <Session />
            </Route>
            <Route path="/usage">
              <Usage />
            </Route>
            <Route path="/settings/*?">
              <Settings />
            </Route>
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </PageErrors>
    </Layout>
  )
}

function SignedIn({ children }: { children: ReactNode }) {
  const person = usePersonQuery()
  const [path] = useLocation()
  const search = useSearch()
  if (person.data) {
    return (
      <PersonProvider person={person.data}>
        <OrganizationProvider>{children}</OrganizationProvider>
      </PersonProvider>
    )
  }
  if (person.data === null) return <Redirect to={signInAddress(search ? `${path}?${search}` : path)} replace />
  if (person.error) return <ErrorState error={person.error} retry={() => void person.refetch()} />
  return <PageSpinner />
}
