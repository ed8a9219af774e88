/**
 * The operator: the first user, the organization that is theirs, and a first API key. All of it is made in one
 * transaction at the first start and never again; only a configured key that is not known yet is added later.
 */
import { apiKeyHash } from './apiKeys.ts'
import type { Auth } from './auth.ts'
import { firstOperator, operatorsOrganization } from './roles.ts'

const operatorId = firstOperator
const organizationId = operatorsOrganization

export type Bootstrapped = {
  userId: string
  organizationId: string
  /** Only when it was made just now: the database keeps no more than its hash. */
  apiKey?: string
}

/** `configuredKey` is the operator's key, as `config.ts` read or made it. */
export async function bootstrap(options: { auth: Auth; configuredKey: string }): Promise<Bootstrapped> {
  const { auth, configuredKey } = options
  if (!/^[\w-]{16,}$/.test(configuredKey)) {
    throw new Error(
      'CORRAL_BOOTSTRAP_API_KEY cannot be a key: give at least 16 letters, digits, dashes or underscores, ' +
        'or leave it out to have one made.',
    )
  }
  const { adapter } = await auth.$context
  return adapter.transaction(async (rows) => {
    const at = { createdAt: new Date(), updatedAt: new Date() }

    const isNew = (await rows.findOne({ model: 'user', where: [{ field: 'id', value: operatorId }] })) === null
    if (isNew) {
      const user = { id: operatorId, name: 'Operator', email: 'operator@corral.localhost', emailVerified: true, ...at }
      await rows.create({ model: 'user', data: user, forceAllowId: true })
      const organization = { id: organizationId, name: 'Corral', slug: 'corral', createdAt: at.createdAt }
      await rows.create({ model: 'organization', data: organization, forceAllowId: true })
      const owner = { organizationId, userId: operatorId, role: 'owner', createdAt: at.createdAt }
      await rows.create({ model: 'member', data: owner })
    }

    const key = await apiKeyHash(configuredKey)
    const known = await rows.findOne({ model: 'apikey', where: [{ field: 'key', value: key }] })
    if (known !== null) return { userId: operatorId, organizationId }
    const row = { configId: 'default', name: 'bootstrap', key, referenceId: operatorId, rateLimitEnabled: false, ...at }
    await rows.create({ model: 'apikey', data: row })
    return { userId: operatorId, organizationId, apiKey: configuredKey }
  })
}
