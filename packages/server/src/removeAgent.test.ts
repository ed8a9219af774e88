import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { removeAgent } from './removeAgent.ts'
import { checkBubblewrap } from './sandboxes/bubblewrapCheck.ts'
import { makeWorld, type World } from './sandboxes/conformance/world.ts'

const check = await checkBubblewrap()

describe.runIf(check.works)('an agent', () => {
  let world: World
  let folder: string
  beforeAll(async () => {
    world = await makeWorld({ sandboxDriver: 'bubblewrap', docker: { host: null, image: '', runtime: null } })
    folder = world.newSpec().agentsFolder
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  function install(name: string, version: string): string {
    world.addAgent(`${name}@${version}`, 'nothing')
    const agent = join(folder, `${name}@${version}`)
    copyFileSync('/usr/bin/sleep', join(agent, 'sleep'))
    const record = { name, version, kind: 'opencode', wire: 'openai-chat', bin: 'sleep' }
    writeFileSync(join(agent, 'agent.json'), JSON.stringify(record))
    return agent
  }

  test('that runs is not removed, and afterwards it is', async () => {
    const agent = install('busy', '1.0.0')
    const other = install('idle', '1.0.0')
    const guest = await world.start()
    const pid = await guest.read('sh', '-c', '/opt/agents/busy@1.0.0/sleep 60 >/dev/null 2>&1 & echo $!')
    await expect(removeAgent(folder, 'busy')).rejects.toThrow(/^busy@1\.0\.0 runs \(process \d+\)\..*then try again\.$/)
    expect(existsSync(join(agent, 'sleep'))).toBe(true)
    expect(await removeAgent(folder, 'idle')).toEqual({ name: 'idle', version: '1.0.0' })
    expect(existsSync(other)).toBe(false)
    await guest.read('kill', pid)
    await expect.poll(() => removeAgent(folder, 'busy').catch(String)).toEqual({ name: 'busy', version: '1.0.0' })
    expect(await guest.run('ls', dirname('/opt/agents/busy@1.0.0/sleep'))).not.toMatchObject({ code: 0 })
  })

  test('of several versions is named in full', async () => {
    install('twice', '1.9.0')
    install('twice', '1.10.0')
    await expect(removeAgent(folder, 'twice')).rejects.toThrow('Name one: twice@1.9.0, twice@1.10.0.')
    expect(await removeAgent(folder, 'twice@1.9.0')).toEqual({ name: 'twice', version: '1.9.0' })
    expect(await removeAgent(folder, 'twice')).toEqual({ name: 'twice', version: '1.10.0' })
  })

  test('that is not installed, or no name of one, is refused', async () => {
    await expect(removeAgent(folder, 'nobody@1.0.0')).rejects.toThrow('nobody@1.0.0 is not installed.')
    await expect(removeAgent(folder, '../home')).rejects.toThrow('"../home" names no agent.')
  })
})
