/**
 * The scopes of a key in better-auth's own form, a record from resource to actions, as text in `apikey.permissions`.
 * A key without that record was made without limits and has every scope; what is not understood gives none.
 */
import { type Scope, scopes } from '@corral/protocol'
import { z } from 'zod'

const permissionOf = {
  'sessions:read': ['sessions', 'read'],
  'sessions:write': ['sessions', 'write'],
  admin: ['corral', 'admin'],
} as const satisfies Record<Scope, readonly [resource: string, action: string]>

const storedSchema = z.record(z.string(), z.array(z.string()))

export function storedScopes(given: readonly Scope[]): string {
  const permissions: Record<string, string[]> = {}
  for (const scope of new Set(given)) {
    const [resource, action] = permissionOf[scope]
    permissions[resource] = [...(permissions[resource] ?? []), action]
  }
  return JSON.stringify(permissions)
}

export function scopesOf(stored: string | null): readonly Scope[] {
  if (stored === null) return scopes
  const permissions = storedSchema.safeParse(parsed(stored))
  if (!permissions.success) return []
  return scopes.filter((scope) => {
    const [resource, action] = permissionOf[scope]
    return permissions.data[resource]?.includes(action) === true
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
