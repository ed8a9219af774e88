/** One organization: who belongs to it in which role, and what it may use of GitHub. */
import { type MemberView, type OrganizationRole, organizationRoles } from '@corral/protocol'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useCorral } from '../app/corral.tsx'
import { organizationsKey, useOrganizations } from '../app/organization.tsx'
import { usePerson } from '../app/person.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Badge } from '../ui/Badge.tsx'
import { ConfirmButton } from '../ui/ConfirmButton.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Field, SelectField } from '../ui/Field.tsx'
import { FormDialog, given } from '../ui/FormDialog.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Select } from '../ui/Select.tsx'
import { PageSpinner } from '../ui/Spinner.tsx'
import { Time } from '../ui/Time.tsx'
import { useToast } from '../ui/Toast.tsx'
import { Installations } from './Installations.tsx'

export function Members({ organizationId, isOperator }: { organizationId: string; isOperator: boolean }) {
  const corral = useCorral()
  const organizations = useOrganizations()
  const organization = organizations.data?.find((one) => one.organizationId === organizationId)
  const members = useQuery({
    queryKey: ['members', organizationId],
    queryFn: async () => (await corral.call.listMembers.query({ organizationId })).members,
  })
  useTitle(organization?.name ?? 'Organization')
  const error = organizations.error ?? members.error
  if (error) return <ErrorState error={error} retry={() => void members.refetch()} />
  if (!organization || !members.data) return <PageSpinner />

  const administers = organization.role === 'admin' || organization.role === 'owner'
  const callers: OrganizationRole = organization.role ?? 'member'
  const props = { organizationId, callers }
  return (
    <>
      <Section title={organization.name} about={organization.slug} actions={administers && <AddMember {...props} />}>
        <Rows label="Members">
          {members.data.map((member) => (
            <Member key={member.userId} {...props} member={member} />
          ))}
        </Rows>
      </Section>
      {administers && <Installations organizationId={organizationId} isOperator={isOperator} />}
    </>
  )
}

type Props = { organizationId: string; callers: OrganizationRole }

/** Owners are made, changed and removed by owners. */
const rolesThatMayBeGiven = (callers: OrganizationRole) =>
  organizationRoles.filter((role) => callers === 'owner' || role !== 'owner')

function useMembersChanged(organizationId: string) {
  const queries = useQueryClient()
  return async () => {
    await queries.invalidateQueries({ queryKey: ['members', organizationId] })
    await queries.invalidateQueries({ queryKey: organizationsKey })
  }
}

function Member({ organizationId, callers, member }: Props & { member: MemberView }) {
  const corral = useCorral()
  const toast = useToast()
  const person = usePerson()
  const changed = useMembersChanged(organizationId)
  const isSelf = member.userId === person.userId
  const mayChange = callers === 'owner' || (callers === 'admin' && member.role !== 'owner')
  const setRole = useMutation({
    mutationFn: (role: OrganizationRole) =>
      corral.call.setMemberRole.mutate({ organizationId, user: member.userId, role }),
    onError: (error) => toast(error.message, 'bad'),
    onSettled: changed,
  })
  return (
    <Row
      title={
        <>
          {member.name} {isSelf && <Badge>you</Badge>}
        </>
      }
      about={
        <>
          <span>{member.email}</span>
          <span>
            since <Time at={member.since} />
          </span>
        </>
      }
    >
      {mayChange ? (
        <Select
          label={`Role of ${member.name}`}
          value={member.role}
          disabled={setRole.isPending}
          options={rolesThatMayBeGiven(callers)}
          onChange={(role) => setRole.mutate(role)}
        />
      ) : (
        <Badge>{member.role}</Badge>
      )}
      {(mayChange || isSelf) && (
        <ConfirmButton
          size="small"
          question={isSelf ? 'Leave this organization?' : `Remove ${member.name}?`}
          consequence={
            isSelf
              ? 'Your sessions in it are out of your reach from then on.'
              : 'Their sessions in this organization are out of their reach from then on.'
          }
          verb={isSelf ? 'Leave' : 'Remove'}
          run={async () => {
            await corral.call.removeMember.mutate({ organizationId, user: member.userId })
            await changed()
          }}
        >
          {isSelf ? 'Leave' : 'Remove'}
        </ConfirmButton>
      )}
    </Row>
  )
}

function AddMember({ organizationId, callers }: Props) {
  const corral = useCorral()
  const changed = useMembersChanged(organizationId)
  async function add(form: FormData): Promise<void> {
    const role = organizationRoles.find((name) => name === form.get('role')) ?? 'member'
    await corral.call.addMember.mutate({ organizationId, user: given(form, 'user') ?? '', role })
    await changed()
  }
  return (
    <FormDialog
      button="Add member"
      icon={<Plus size={16} />}
      kind="primary"
      title="Add a member"
      about="They must be users of this installation already; an operator makes them."
      verb="Add"
      send={add}
    >
      <Field label="E-mail" name="user" type="email" required />
      <SelectField label="Role" name="role" defaultValue="member">
        {rolesThatMayBeGiven(callers).map((role) => (
          <option key={role}>{role}</option>
        ))}
      </SelectField>
    </FormDialog>
  )
}
