/** Which installations of the operator's GitHub App may be used for whom. */
import { z } from 'zod'
import { organizationId, text, wholeNumber } from '../cloud-agent/fields.ts'

const installationId = wholeNumber(1, Number.MAX_SAFE_INTEGER)
const oneOwner = <S extends z.ZodType<{ organizationId?: string | undefined; user?: string | undefined }>>(schema: S) =>
  schema.refine((input) => (input.organizationId === undefined) !== (input.user === undefined), {
    message: 'exactly one of organizationId and user is needed',
    path: ['organizationId'],
  })

/** `user`: by id or e-mail address, for their personal sessions. */
export const githubInstallationInput = oneOwner(
  z.strictObject({
    installationId,
    organizationId: organizationId.optional(),
    user: text({ max: 320 }).optional(),
  }),
)
export type GithubInstallationInput = z.infer<typeof githubInstallationInput>
/** Without an organization: all of them, for operators. */
export const listGithubInstallationsInput = z.strictObject({ organizationId: organizationId.optional() })

export type GithubInstallationView = {
  installationId: number
  organizationId: string | null
  userId: string | null
  linkedAt: number
}
