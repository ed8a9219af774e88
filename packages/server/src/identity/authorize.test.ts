import { CorralError, type OrganizationRole, type Scope, scopes } from '@corral/protocol'
import { describe, expect, test } from 'vitest'
import { authorize, authorizeRole, type Demand } from './authorize.ts'
import type { Authenticated } from './caller.ts'
import { scopesOf, storedScopes } from './scopes.ts'

const caller = (has: readonly Scope[], internal = false): Authenticated => ({
  userId: 'u',
  botId: null,
  internal,
  proof: { credential: { kind: 'key', id: 'k' }, scopes: has, address: null },
})
const reasonOf = (run: () => void) => {
  try {
    run()
    return 'allowed'
  } catch (error) {
    if (error instanceof CorralError) return error.reason
    throw error
  }
}

describe('a call', () => {
  const rest = (scope: Scope) => scopes.filter((other) => other !== scope)
  test.each(scopes)('that demands %s is allowed with that scope and refused with all others', (scope) => {
    expect(reasonOf(() => authorize(caller([scope]), { scope }))).toBe('allowed')
    expect(reasonOf(() => authorize(caller(rest(scope)), { scope }))).toBe('insufficient_scope')
  })

  test('of our own back ends needs the internal key before all else, and the scope beside it', () => {
    const demand: Demand = { scope: 'sessions:write', internal: true }
    expect(reasonOf(() => authorize(caller(scopes), demand))).toBe('internal_key_required')
    expect(reasonOf(() => authorize(caller([]), demand))).toBe('internal_key_required')
    expect(reasonOf(() => authorize(caller([], true), demand))).toBe('insufficient_scope')
    expect(reasonOf(() => authorize(caller(['sessions:write'], true), demand))).toBe('allowed')
  })
})

describe('a role', () => {
  test.each<[role: OrganizationRole | null, atLeast: OrganizationRole, answer: string]>([
    [null, 'member', 'organization_not_found'],
    [null, 'owner', 'organization_not_found'],
    ['member', 'member', 'allowed'],
    ['member', 'admin', 'role_required'],
    ['member', 'owner', 'role_required'],
    ['admin', 'admin', 'allowed'],
    ['admin', 'owner', 'role_required'],
    ['owner', 'admin', 'allowed'],
    ['owner', 'owner', 'allowed'],
  ])('%s, where at least %s is needed: %s', (role, atLeast, answer) => {
    expect(reasonOf(() => authorizeRole(role, atLeast))).toBe(answer)
  })
})

describe('the scopes of a key', () => {
  test('are read as they were stored', () => {
    for (const some of [
      [],
      ['admin'],
      ['sessions:read'],
      ['sessions:read', 'sessions:write'],
      [...scopes],
    ] as Scope[][])
      expect(scopesOf(storedScopes(some))).toEqual(some)
  })

  test('are all of them where a key was made without limits, and none where they cannot be read', () => {
    expect(scopesOf(null)).toEqual(scopes)
    for (const broken of ['', 'null', '[]', '"all"', '{"sessions":"read"}', '{"other":["read"]}']) {
      expect(scopesOf(broken), broken).toEqual([])
    }
  })
})
