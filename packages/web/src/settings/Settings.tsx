/** What people set for themselves, and what administrators set for others. */
import { Redirect, Route, Switch } from 'wouter'
import { useProfile } from '../app/profile.ts'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Page } from '../ui/Page.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Audit } from './Audit.tsx'
import { Keys } from './Keys.tsx'
import { Members } from './Members.tsx'
import { Organizations } from './Organizations.tsx'
import { Profile } from './Profile.tsx'
import { SettingsNav } from './SettingsNav.tsx'
import { Users } from './Users.tsx'

export function Settings() {
  const profile = useProfile()
  if (profile.error) return <ErrorState error={profile.error} retry={() => void profile.refetch()} />
  if (!profile.data) return <PageSpinner />
  const { isOperator } = profile.data
  return (
    <Page title="Settings">
      <SettingsNav isOperator={isOperator} />
      <Switch>
        <Route path="/settings">
          <Profile profile={profile.data} />
        </Route>
        <Route path="/settings/keys">
          <Keys />
        </Route>
        <Route path="/settings/organizations">
          <Organizations isOperator={isOperator} />
        </Route>
        <Route path="/settings/organizations/:id">
          {({ id }) => <Members organizationId={id} isOperator={isOperator} />}
        </Route>
        <Route path="/settings/users">{isOperator ? <Users /> : <Redirect to="/settings" replace />}</Route>
        <Route path="/settings/audit">
          <Audit isOperator={isOperator} />
        </Route>
        <Route>
          <Redirect to="/settings" replace />
        </Route>
      </Switch>
    </Page>
  )
}
