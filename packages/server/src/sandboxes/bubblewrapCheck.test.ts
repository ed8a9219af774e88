import { describe, expect, test } from 'vitest'
import { diagnose, type KernelSwitches } from './bubblewrapCheck.ts'

const unset: KernelSwitches = {
  unprivilegedUserNamespaces: undefined,
  apparmorRestriction: undefined,
  maxUserNamespaces: '96365',
}
const denied = 'bwrap: setting up uid map: Permission denied\n'

describe('when bubblewrap does not work, the command that mends it is told:', () => {
  test.each([
    ['unprivileged_userns_clone', { ...unset, unprivilegedUserNamespaces: '0' }],
    ['max_user_namespaces', { ...unset, maxUserNamespaces: '0' }],
    ['apparmor_restrict_unprivileged_userns', { ...unset, apparmorRestriction: '1' }],
  ])('the kernel switch %s', (name, switches) => {
    const found = diagnose(denied, switches)
    expect(found).toMatchObject({ problem: 'user_namespaces_forbidden', reason: expect.stringContaining(name) })
    expect(found.remedy).toMatch(new RegExp(`^sudo sysctl -w \\w+\\.${name}=`))
  })

  test('a container that forbids namespaces', () => {
    const found = diagnose('bwrap: No permissions to create new namespace, likely because …\n', unset)
    expect(found).toMatchObject({ problem: 'user_namespaces_forbidden' })
    expect(found.remedy).toContain('seccomp=unconfined')
  })

  test('a container that hides parts of /proc', () => {
    const found = diagnose("bwrap: Can't mount proc on /newroot/proc: Operation not permitted\n", unset)
    expect(found.remedy).toContain('systempaths=unconfined')
  })

  test('a bubblewrap that is too old', () => {
    expect(diagnose('bwrap: Unknown option --disable-userns\n', unset)).toMatchObject({
      problem: 'not_supported',
      reason: expect.stringContaining('too old'),
    })
  })

  test('anything else keeps the words of bubblewrap', () => {
    expect(diagnose('bwrap: something new\n', unset).reason).toContain('something new')
  })
})
