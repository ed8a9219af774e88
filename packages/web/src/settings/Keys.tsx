/** API keys: made, shown once, and revoked. */
import { type ApiKeyView, type CreatedApiKey, type Scope, scopes } from '@corral/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Badge } from '../ui/Badge.tsx'
import { ConfirmButton } from '../ui/ConfirmButton.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { CheckField, Choices, Field, SelectField } from '../ui/Field.tsx'
import { FormDialog, given } from '../ui/FormDialog.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Spinner } from '../ui/Spinner.tsx'
import { Time } from '../ui/Time.tsx'
import { NewKey } from './NewKey.tsx'

const keysKey = ['keys']
const day = 24 * 60 * 60

const meanings: Record<Scope, string> = {
  'sessions:read': 'Look at sessions',
  'sessions:write': 'Start, steer and delete sessions',
  admin: 'Administer keys, organizations and users',
}

export function Keys() {
  useTitle('API keys')
  const corral = useCorral()
  const queries = useQueryClient()
  const [made, setMade] = useState<CreatedApiKey | null>(null)
  const keys = useQuery({
    queryKey: keysKey,
    queryFn: async () => (await corral.call.listApiKeys.query({})).keys,
  })
  const changed = () => queries.invalidateQueries({ queryKey: keysKey })

  async function create(form: FormData): Promise<void> {
    const days = Number(form.get('days'))
    const key = await corral.call.createApiKey.mutate({
      name: given(form, 'name') ?? '',
      scopes: scopes.filter((scope) => form.has(scope)),
      ...(days > 0 && { expiresInSeconds: days * day }),
    })
    setMade(key)
    await changed()
  }

  return (
    <Section
      title="API keys"
      about="For the command line, the SDK and your own programs. A key acts as you, within its scopes."
      actions={
        <FormDialog
          button="New key"
          icon={<Plus size={16} />}
          kind="primary"
          title="New API key"
          verb="Make key"
          send={create}
        >
          <Field label="Name" name="name" placeholder="What it is for" maxLength={100} required />
          <SelectField label="Ends" name="days" defaultValue="90">
            <option value="30">after 30 days</option>
            <option value="90">after 90 days</option>
            <option value="365">after a year</option>
            <option value="0">when it is revoked</option>
          </SelectField>
          <Choices legend="What it may do">
            {scopes.map((scope) => (
              <CheckField
                key={scope}
                name={scope}
                label={meanings[scope]}
                hint={<code>{scope}</code>}
                defaultChecked={scope !== 'admin'}
              />
            ))}
          </Choices>
        </FormDialog>
      }
    >
      {made && <NewKey made={made} onDone={() => setMade(null)} />}
      {keys.error && <ErrorState error={keys.error} retry={() => void keys.refetch()} />}
      {keys.isPending && <Spinner />}
      {keys.data && (
        <Rows label="API keys" empty="You have no API keys.">
          {keys.data.map((key) => (
            <Row key={key.keyId} title={<KeyTitle apiKey={key} />} about={<KeyFacts apiKey={key} />}>
              <ConfirmButton
                size="small"
                question={`Revoke "${key.name}"?`}
                consequence="What uses it is refused from now on, and streams that it opened are closed."
                verb="Revoke"
                run={async () => {
                  await corral.call.revokeApiKey.mutate({ keyId: key.keyId })
                  await changed()
                }}
              >
                Revoke
              </ConfirmButton>
            </Row>
          ))}
        </Rows>
      )}
    </Section>
  )
}

function KeyTitle({ apiKey: { name, expiresAt, botId } }: { apiKey: ApiKeyView }) {
  return (
    <>
      {name}
      {botId && <Badge>bot {botId}</Badge>}
      {expiresAt !== null && expiresAt < Date.now() && <Badge tone="bad">ended</Badge>}
    </>
  )
}

function KeyFacts({ apiKey: { start, scopes: may, createdAt, expiresAt } }: { apiKey: ApiKeyView }) {
  return (
    <>
      {start !== '' && <code>{start}…</code>}
      <span>{may.join(', ')}</span>
      <span>
        made <Time at={createdAt} />
      </span>
      {expiresAt !== null && (
        <span>ends {new Date(expiresAt).toLocaleDateString('en-US', { dateStyle: 'medium' })}</span>
      )}
    </>
  )
}
