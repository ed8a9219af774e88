/** Installations of the operator's GitHub App that sessions of an organization use. Operators alone link and unlink them. */
import type { GithubInstallationView } from '@corral/protocol'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { ConfirmButton } from '../ui/ConfirmButton.tsx'
import { ErrorState } from '../ui/ErrorState.tsx'
import { Field } from '../ui/Field.tsx'
import { FormDialog } from '../ui/FormDialog.tsx'
import { Row, Rows } from '../ui/Rows.tsx'
import { Section } from '../ui/Section.tsx'
import { Spinner } from '../ui/Spinner.tsx'
import { Time } from '../ui/Time.tsx'

export function Installations({ organizationId, isOperator }: { organizationId: string; isOperator: boolean }) {
  const corral = useCorral()
  const queries = useQueryClient()
  const queryKey = ['installations', organizationId]
  const installations = useQuery({
    queryKey,
    queryFn: async () => (await corral.call.listGithubInstallations.query({ organizationId })).installations,
  })
  const changed = () => queries.invalidateQueries({ queryKey })

  async function link(form: FormData): Promise<void> {
    await corral.call.linkGithubInstallation.mutate({ organizationId, installationId: Number(form.get('id')) })
    await changed()
  }
  async function unlink({ installationId }: GithubInstallationView): Promise<void> {
    await corral.call.unlinkGithubInstallation.mutate({ organizationId, installationId })
    await changed()
  }

  return (
    <Section
      title="GitHub"
      about="Installations of the GitHub App whose repositories sessions of this organization may use."
      actions={
        isOperator && (
          <FormDialog
            button="Link installation"
            title="Link an installation"
            about="Its number is at the end of its address on GitHub, github.com/settings/installations/…"
            verb="Link"
            send={link}
          >
            <Field label="Installation" name="id" inputMode="numeric" pattern="[1-9][0-9]{0,15}" required />
          </FormDialog>
        )
      }
    >
      {installations.error && <ErrorState error={installations.error} retry={() => void installations.refetch()} />}
      {installations.isPending && <Spinner />}
      {installations.data && (
        <Rows
          label="GitHub installations"
          empty={isOperator ? 'None is linked.' : 'None is linked. An operator of this installation can link one.'}
        >
          {installations.data.map((one) => (
            <Row
              key={one.installationId}
              title={`Installation ${one.installationId}`}
              about={
                <span>
                  linked <Time at={one.linkedAt} />
                </span>
              }
            >
              {isOperator && (
                <ConfirmButton
                  size="small"
                  question={`Unlink installation ${one.installationId}?`}
                  consequence="Sessions of this organization reach its repositories no longer, from their next call on."
                  verb="Unlink"
                  run={() => unlink(one)}
                >
                  Unlink
                </ConfirmButton>
              )}
            </Row>
          ))}
        </Rows>
      )}
    </Section>
  )
}
