/** What people set for themselves, and what administrators set for others. */
import { usePerson } from '../app/person.tsx'
import { Page } from '../ui/Page.tsx'

export function Settings() {
  const person = usePerson()
  return (
    <Page title="Settings">
      {person.name}, {person.email}
    </Page>
  )
}
