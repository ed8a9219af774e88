/** Everybody who can use this installation. For operators. */
import type { UserView } from '@corral/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useCorral } from '../app/corral.tsx'
import { usePerson } from '../app/person.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Badge } from '../ui/Badge.tsx'
import { ConfirmButton } from '../ui/ConfirmButton.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Field } from '../ui/Field.tsx'
import { FormDialog, given } from '../ui/FormDialog.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Spinner } from '../ui/Spinner.tsx'
import { Time } from '../ui/Time.tsx'

const usersKey = ['users']

export function Users() {
  useTitle('Users')
  const corral = useCorral()
  const queries = useQueryClient()
  const { userId } = usePerson()
  const users = useQuery({
    queryKey: usersKey,
    queryFn: async () => (await corral.call.listUsers.query({})).users,
  })
  const changed = () => queries.invalidateQueries({ queryKey: usersKey })

  async function create(form: FormData): Promise<void> {
    await corral.call.createUser.mutate({
      name: given(form, 'name') ?? '',
      email: given(form, 'email') ?? '',
      password: given(form, 'password'),
    })
    await changed()
  }
  async function remove(user: UserView): Promise<void> {
    await corral.call.removeUser.mutate({ user: user.userId })
    await changed()
  }

  return (
    <Section
      title="Users"
      about="Everybody who can use this installation. Nobody can sign up by themselves."
      actions={
        <FormDialog
          button="New user"
          icon={<Plus size={16} />}
          kind="primary"
          title="New user"
          verb="Make user"
          send={create}
        >
          <Field label="Name" name="name" maxLength={100} autoComplete="off" required />
          <Field label="E-mail" name="email" type="email" autoComplete="off" required />
          <Field
            label="First password"
            name="password"
            type="password"
            autoComplete="new-password"
            minLength={12}
            maxLength={128}
            hint="They change it under Settings. Without one they use API keys, or GitHub where that is set up."
          />
        </FormDialog>
      }
    >
      {users.error && <ErrorState error={users.error} retry={() => void users.refetch()} />}
      {users.isPending && <Spinner />}
      {users.data && (
        <Rows label="Users">
          {users.data.map((user) => (
            <Row
              key={user.userId}
              title={
                <>
                  {user.name} {user.userId === userId && <Badge>you</Badge>}
                </>
              }
              about={
                <>
                  <span>{user.email}</span>
                  <span>
                    since <Time at={user.createdAt} />
                  </span>
                </>
              }
            >
              {user.userId !== userId && (
                <ConfirmButton
                  size="small"
                  question={`Remove ${user.name}?`}
                  consequence="Their sessions are stopped and deleted, and their keys and sign-ins end. This cannot be undone."
                  verb="Remove user"
                  run={() => remove(user)}
                >
                  Remove
                </ConfirmButton>
              )}
            </Row>
          ))}
        </Rows>
      )}
    </Section>
  )
}
