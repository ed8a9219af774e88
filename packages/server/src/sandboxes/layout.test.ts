import { newBootId, newSandboxId } from '@corral/protocol'
import { expect, test } from 'vitest'
import { agentFolder, initPath, parseInitPath, sandboxFolder } from './layout.ts'

test('the identity of a sandbox is read back from the mount table', () => {
  const identity = { mark: '0123abcd', sandboxId: newSandboxId(), bootId: newBootId() }
  expect(parseInitPath(initPath(identity.mark, identity.sandboxId, identity.bootId))).toEqual(identity)
})

test('mount points that are no identity are none', () => {
  for (const path of ['/', '/corral/init', '/corral/init/0123abcd/else/boot_1', '/tmp/corral/init/a/sbx_1/boot_1']) {
    expect(parseInitPath(path)).toBeUndefined()
  }
})

test('a name that leads to another folder is refused', () => {
  expect(() => sandboxFolder('/data', 'sbx_/../../etc')).toThrow('cannot be the name of a folder')
  expect(() => agentFolder({ name: '..', version: '1.0.0' })).toThrow('cannot be the name of a folder')
  expect(agentFolder({ name: 'opencode', version: '1.18.33' })).toBe('/opt/agents/opencode@1.18.33')
})
