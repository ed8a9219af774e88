/** The organizations that one belongs to; operators see all of them, and make new ones. */
import { useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { Link } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { organizationsKey, useOrganizations } from '../app/organization.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Badge } from '../ui/Badge.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Field } from '../ui/Field.tsx'
import { FormDialog, given } from '../ui/FormDialog.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Spinner } from '../ui/Spinner.tsx'

export function Organizations({ isOperator }: { isOperator: boolean }) {
  useTitle('Organizations')
  const organizations = useOrganizations()
  return (
    <Section
      title="Organizations"
      about="Their members share budgets and integrations. Which one you work in, you choose beside the navigation."
      actions={isOperator && <NewOrganization />}
    >
      {organizations.error && <ErrorState error={organizations.error} retry={() => void organizations.refetch()} />}
      {organizations.isPending && <Spinner />}
      {organizations.data && (
        <Rows label="Organizations" empty="You belong to no organization. An operator can make one for you.">
          {organizations.data.map(({ organizationId, name, slug, role }) => (
            <Row
              key={organizationId}
              title={
                <>
                  {role === null ? name : <Link href={`/settings/organizations/${organizationId}`}>{name}</Link>}
                  {role && <Badge>{role}</Badge>}
                </>
              }
              about={role === null ? `${slug} · you are no member` : slug}
            />
          ))}
        </Rows>
      )}
    </Section>
  )
}

function NewOrganization() {
  const corral = useCorral()
  const queries = useQueryClient()
  async function create(form: FormData): Promise<void> {
    await corral.call.createOrganization.mutate({
      name: given(form, 'name') ?? '',
      slug: given(form, 'slug') ?? '',
      owner: given(form, 'owner'),
    })
    await queries.invalidateQueries({ queryKey: organizationsKey })
  }
  return (
    <FormDialog
      button="New organization"
      icon={<Plus size={16} />}
      kind="primary"
      title="New organization"
      verb="Make organization"
      send={create}
    >
      <Field label="Name" name="name" maxLength={100} required />
      <Field
        label="Slug"
        name="slug"
        pattern="[a-z0-9]([a-z0-9\-]{0,48}[a-z0-9])?"
        hint="Lower-case letters, digits and dashes."
        required
      />
      <Field label="Owner" name="owner" hint="An e-mail address. Without one, it is you." />
    </FormDialog>
  )
}
