/** Whose the session is, and how its repository is fetched. */
import { useQuery } from '@tanstack/react-query'
import { useCorral } from '../../app/corral.tsx'
import { CheckField, Field, SelectField } from '../../ui/Field.tsx'
import { platforms } from '../draft.ts'
import { chosen, type Part } from './part.ts'

export function Repository({ draft, onDraft, errors }: Part) {
  const corral = useCorral()
  const { data } = useQuery({
    queryKey: ['organizationNames'],
    queryFn: () => corral.call.listOrganizations.query({}),
    staleTime: 60_000,
  })
  const organizations = (data?.organizations ?? []).filter(({ role }) => role !== null)
  return (
    <>
      <SelectField
        label="Organization"
        hint="Its budget pays, and its members’ rules hold."
        value={draft.organization}
        error={errors.organization}
        onChange={({ target }) => onDraft({ organization: target.value })}
      >
        <option value="">Personal</option>
        {organizations.map(({ organizationId, name }) => (
          <option key={organizationId} value={organizationId}>
            {name}
          </option>
        ))}
      </SelectField>
      <Field
        label="Token for the repository"
        type="password"
        autoComplete="new-password"
        hint="Only where no GitHub App is installed. It never enters the sandbox and is not kept in this browser."
        value={draft.token}
        error={errors.token}
        onChange={({ target }) => onDraft({ token: target.value })}
      />
      <SelectField
        label="Kind of host"
        value={draft.platform}
        error={errors.platform}
        onChange={({ target }) => onDraft({ platform: chosen(platforms, target.value) })}
      >
        <option value="">By its address</option>
        <option value="github">GitHub</option>
        <option value="gitlab">GitLab</option>
      </SelectField>
      <CheckField
        label="Clone without history"
        hint="Quicker for large repositories."
        checked={draft.shallow}
        onChange={({ target }) => onDraft({ shallow: target.checked })}
      />
    </>
  )
}
