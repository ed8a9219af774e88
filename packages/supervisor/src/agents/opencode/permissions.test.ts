import type { PermissionAction, Permissions } from '@corral/protocol'
import { permissionAction } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { actionOn, deniedTools, loosened, permissionConfig } from './permissions.ts'

const policy = (rules: Permissions['rules'], fallback: PermissionAction = 'auto'): Permissions => ({
  default: fallback,
  rules,
})

describe("the policy in the agent's words", () => {
  it('asks nobody by default, and offers no questions', () => {
    const config = permissionConfig(policy([]))
    expect(config).toMatchObject({ bash: 'allow', external_directory: 'allow', doom_loop: 'allow', question: 'deny' })
    expect(config, 'which would take the place of what a mode forbids').not.toHaveProperty(['*'])
  })

  it('offers questions where somebody is asked', () => {
    expect(permissionConfig(policy([{ tool: 'question', action: 'ask' }])).question).toBe('allow')
    expect(permissionConfig(policy([], 'ask')).question).toBe('allow')
    expect(permissionConfig(policy([{ tool: 'question', action: 'auto' }], 'ask')).question).toBe('deny')
  })

  test('means what the policy means, whatever the order of its rules', () => {
    const tool = fc.constantFrom('bash', 'edit', '*')
    const action = fc.constantFrom<PermissionAction>('auto', 'ask', 'deny')
    const rule = fc
      .record({ tool, action, pattern: fc.option(fc.constantFrom('a', 'b', 'a*', '*'), { nil: undefined }) })
      .map((made) => (made.tool === '*' ? { ...made, pattern: undefined } : made))
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 8 }),
        action,
        fc.constantFrom('a', 'b', 'ab', 'c'),
        (rules, start, text) => {
          const made = policy(rules, start)
          for (const name of ['bash', 'edit', 'other'])
            expect(evaluate(permissionConfig(made), name, text)).toBe(
              permissionAction(made, { tool: name, pattern: text }),
            )
        },
      ),
    )
  })

  it('denies to sub-agents what is denied as a whole', () => {
    const rules: Permissions['rules'] = [
      { tool: 'bash', action: 'deny' },
      { tool: 'edit', action: 'deny' },
      { tool: 'edit', pattern: 'docs/*', action: 'auto' },
    ]
    expect(deniedTools(policy(rules)).map(({ permission }) => permission)).toEqual(['bash', 'question'])
  })
})

/** As the agents read it: the last entry that matches, else allowed. */
function evaluate(config: ReturnType<typeof permissionConfig>, tool: string, text: string): PermissionAction {
  const words = { allow: 'auto', ask: 'ask', deny: 'deny' } as const
  const found = Object.entries(config)
    .filter(([name]) => name === '*' || name === tool)
    .flatMap(([, value]) => Object.entries(typeof value === 'string' ? { '*': value } : value))
    .findLast(([pattern]) => pattern === '*' || pattern === text || (pattern === 'a*' && text.startsWith('a')))
  return found ? words[found[1]] : 'auto'
}

describe('what an agent asks about', () => {
  const permissions = policy([
    { tool: 'bash', action: 'ask' },
    { tool: 'bash', pattern: 'rm *', action: 'deny' },
  ])
  const on = (patterns: string[], alwaysAllowed: { tool: string; pattern: string }[] = []) =>
    actionOn({ permissions, alwaysAllowed }, { permission: 'bash', patterns })

  it('is decided by the strictest of what the tool is used on', () => {
    expect(on(['ls', 'rm -r x'])).toBe('deny')
    expect(on(['ls'])).toBe('ask')
    expect(on([])).toBe('ask')
    expect(actionOn({ permissions, alwaysAllowed: [] }, { permission: 'doom_loop', patterns: ['bash'] })).toBe('auto')
  })

  it('is allowed when people have allowed it for good, but never what is denied', () => {
    const always = [
      { tool: 'bash', pattern: 'ls *' },
      { tool: 'bash', pattern: 'rm *' },
    ]
    expect(on(['ls -l'], always)).toBe('auto')
    expect(on(['ls -l', 'cat x'], always)).toBe('ask')
    expect(on(['rm x'], always)).toBe('deny')
  })
})

describe("a repository's own agents", () => {
  const asking = policy([{ tool: 'bash', action: 'ask' }])
  const agent = (permission: unknown) => ({ agent: { mine: { permission } } }) as never

  it.each([
    ['allows what is asked about', { bash: 'allow' }],
    ['allows some of it', { bash: { 'git *': 'allow' } }],
    ['allows everything', 'allow'],
    ['allows it by a wildcard', { 'b*': 'allow' }],
  ])('are refused when one %s', (_, permission) => {
    expect(loosened(asking, agent(permission))).toMatch(/agent "mine"/)
  })

  it('are refused by the older form, too', () => {
    expect(loosened(asking, { mode: { build: { tools: { bash: true } } } })).toMatch(/agent "build"/)
  })

  it('are welcome when they are as strict, or nobody asks for more', () => {
    expect(loosened(asking, agent({ bash: 'deny', edit: 'allow' }))).toBeNull()
    expect(loosened(policy([]), agent('allow'))).toBeNull()
    expect(loosened(asking, { agent: null })).toBeNull()
  })
})
