import { networkSchema } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideWeb } from './networkPolicy.ts'

const rules = (
  network: { mode?: 'off-all' | 'off' | 'allowlist' | 'open'; hosts?: string[] },
  operatorHosts: string[] = [],
) => ({
  network: networkSchema.parse(network),
  operatorHosts,
  gitHosts: ['github.com', 'git.acme.test'],
})
const https = (hostname: string, port = 443) => ({ protocol: 'https:' as const, hostname, port })

describe('a session may connect', () => {
  test('to nothing by default', () => {
    expect(decideWeb(https('example.com'), rules({}))).toMatchObject({ allowed: false, why: 'not_listed' })
  })

  test('to what it or the operator lists, at the usual port or the one that is listed', () => {
    const listed = rules({ hosts: ['example.com', 'files.test:8443'] }, ['*.npmjs.test'])
    expect(decideWeb(https('example.com'), listed)).toEqual({ allowed: true })
    expect(decideWeb({ ...https('example.com', 80), protocol: 'http:' }, listed)).toEqual({ allowed: true })
    expect(decideWeb(https('example.com', 22), listed)).toMatchObject({ allowed: false, why: 'port' })
    expect(decideWeb(https('files.test', 8443), listed)).toEqual({ allowed: true })
    expect(decideWeb(https('registry.npmjs.test'), listed)).toEqual({ allowed: true })
    for (const other of ['npmjs.test', 'evilnpmjs.test', 'example.com.evil.test', 'sub.example.com']) {
      expect(decideWeb(https(other), listed), other).toMatchObject({ allowed: false, why: 'not_listed' })
    }
  })

  test('anywhere at the usual port when its network is open', () => {
    expect(decideWeb(https('anything.test'), rules({ mode: 'open' }))).toEqual({ allowed: true })
    expect(decideWeb(https('anything.test', 22), rules({ mode: 'open' }))).toMatchObject({
      allowed: false,
      why: 'port',
    })
  })

  test('never to a host of code, which git alone reaches, nor to anything when its network is off', () => {
    const hosts = ['github.com', 'example.com']
    expect(decideWeb(https('github.com'), rules({ mode: 'open', hosts }, hosts))).toMatchObject({ why: 'git_host' })
    for (const mode of ['off', 'off-all'] as const) {
      expect(decideWeb(https('example.com'), rules({ mode, hosts }, hosts))).toMatchObject({ why: 'off' })
    }
  })

  test('to a host only when a pattern is that host or what stands above it', () => {
    const name = fc.stringMatching(/^[a-z]{1,5}(\.[a-z]{1,5}){0,2}$/)
    fc.assert(
      fc.property(name, name, fc.boolean(), (host, listed, wildcard) => {
        const { allowed } = decideWeb(https(host), rules({ hosts: [wildcard ? `*.${listed}` : listed] }))
        expect(allowed).toBe(wildcard ? host.endsWith(`.${listed}`) : host === listed)
      }),
    )
  })
})
